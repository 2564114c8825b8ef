package dataset

// A Row is one line of a finished shard. FORMAT.md says what each column means.
// A shard without text (--no-text) lacks question, context, response, messages and meta.
type Row struct {
	textColumns
	tokenColumns
	Phase int32  `parquet:"phase"`
	Meta  string `parquet:"meta,optional"`
}

type textColumns struct {
	SampleID   string   `parquet:"sample_id"`
	SourceID   string   `parquet:"source_id,optional"`
	Source     string   `parquet:"source"`
	DataSource string   `parquet:"data_source,optional"`
	Question   string   `parquet:"question"`
	Context    string   `parquet:"context"`
	Answers    []string `parquet:"answers,list"`
	Response   string   `parquet:"response,optional"`
	Messages   string   `parquet:"messages,optional"`
}

type tokenColumns struct {
	PromptTokens          []int32 `parquet:"prompt_tokens,list"`
	PromptLength          int32   `parquet:"prompt_length"`
	ResponseTokens        []int32 `parquet:"response_tokens,optional,list"`
	QuestionContextLength int32   `parquet:"question_context_length,optional"`
}

type placeColumns struct {
	Line   int64 `parquet:"line"`
	Offset int64 `parquet:"byte_offset"`
	Notes  int32 `parquet:"notes"`
}

// leanRow is a Row without text.
type leanRow struct {
	SampleID   string   `parquet:"sample_id"`
	SourceID   string   `parquet:"source_id,optional"`
	Source     string   `parquet:"source"`
	DataSource string   `parquet:"data_source,optional"`
	Answers    []string `parquet:"answers,list"`
	tokenColumns
	Phase int32 `parquet:"phase"`
}

// ingestRow is what the verb ingest leaves on disk.
type ingestRow struct {
	textColumns
	Meta string `parquet:"meta,optional"`
	placeColumns
}

// tokenRow is what the verb tokenize leaves on disk.
type tokenRow struct {
	textColumns
	Meta string `parquet:"meta,optional"`
	placeColumns
	tokenColumns
}

func (v Batch) textColumns(i int) textColumns {
	s := v.Sample(i)
	return textColumns{s.ID, s.SourceID, s.Source, s.DataSource, s.Question, s.Context, s.Answers, s.Response, s.Messages}
}

func (v Batch) placeColumns(i int) placeColumns {
	p := v.Place(i)
	return placeColumns{p.Line, p.Offset, int32(p.Notes)}
}

func (v Batch) tokenColumns(i int) tokenColumns {
	t := v.Tokens(i)
	return tokenColumns{t.Prompt, int32(len(t.Prompt)), t.Response, t.QuestionContextLength}
}

func (v Batch) row(i int) Row {
	phase, _ := v.Phase(i)
	return Row{v.textColumns(i), v.tokenColumns(i), phase, v.text[colMeta].Value(i)}
}

func (v Batch) leanRow(i int) leanRow {
	s := v.Sample(i)
	phase, _ := v.Phase(i)
	return leanRow{s.ID, s.SourceID, s.Source, s.DataSource, s.Answers, v.tokenColumns(i), phase}
}

func (v Batch) ingestRow(i int) ingestRow {
	return ingestRow{v.textColumns(i), v.text[colMeta].Value(i), v.placeColumns(i)}
}

func (v Batch) tokenRow(i int) tokenRow {
	return tokenRow{v.textColumns(i), v.text[colMeta].Value(i), v.placeColumns(i), v.tokenColumns(i)}
}

func (c textColumns) sample(meta string) Sample {
	return Sample{c.SampleID, c.SourceID, c.Source, c.DataSource, c.Question, c.Context, c.Answers, c.Response, c.Messages, meta}
}

func (c placeColumns) place() Place { return Place{c.Line, c.Offset, Notes(c.Notes)} }

func (c tokenColumns) tokens() Tokens {
	return Tokens{c.PromptTokens, c.ResponseTokens, c.QuestionContextLength}
}

// size is the number of uncompressed bytes that a row is charged in its row group.
func (c textColumns) size() int64 {
	n := len(c.SampleID) + len(c.SourceID) + len(c.Source) + len(c.DataSource) + len(c.Question) + len(c.Context) + len(c.Response) + len(c.Messages)
	return int64(n) + answersSize(c.Answers)
}

func answersSize(answers []string) int64 {
	n := 0
	for _, a := range answers {
		n += len(a)
	}
	return int64(n)
}

func (c tokenColumns) size() int64 { return 4 * int64(len(c.PromptTokens)+len(c.ResponseTokens)) }

func (r Row) size() int64 { return r.textColumns.size() + r.tokenColumns.size() + int64(len(r.Meta)) }

func (r leanRow) size() int64 {
	return int64(len(r.SampleID)) + answersSize(r.Answers) + r.tokenColumns.size()
}
func (r ingestRow) size() int64 { return r.textColumns.size() + int64(len(r.Meta)) }
func (r tokenRow) size() int64 {
	return r.textColumns.size() + r.tokenColumns.size() + int64(len(r.Meta))
}

func (r Row) tokenCount() int64       { return int64(len(r.PromptTokens) + len(r.ResponseTokens)) }
func (r leanRow) tokenCount() int64   { return int64(len(r.PromptTokens) + len(r.ResponseTokens)) }
func (r ingestRow) tokenCount() int64 { return 0 }
func (r tokenRow) tokenCount() int64  { return int64(len(r.PromptTokens) + len(r.ResponseTokens)) }

func (r Row) id() string       { return r.SampleID }
func (r leanRow) id() string   { return r.SampleID }
func (r ingestRow) id() string { return r.SampleID }
func (r tokenRow) id() string  { return r.SampleID }
