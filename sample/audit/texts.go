package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// How much of a text a sample's own part shows, in characters.
const (
	questionRunes = 320
	contextRunes  = 180
	answerRunes   = 160
	tailRunes     = 240
	maxAnswers    = 8
	promptTokens  = 160 // at each end of a prompt that is decoded
)

type fullText struct {
	Question string   `parquet:"question"`
	Context  string   `parquet:"context"`
	Answers  []string `parquet:"answers,list"`
}

type leanText struct {
	Answers      []string `parquet:"answers,list"`
	PromptTokens []int32  `parquet:"prompt_tokens,list"`
}

// readTexts reads the texts of the samples that have a part of their own, and of no other.
func (g *gatherer) readTexts(ctx context.Context, fsys fs.FS, m *dataset.Manifest) error {
	byShard := map[int32][]int32{}
	for _, n := range slices.Sorted(maps.Keys(g.facts.Details)) { // rows ascend within a shard
		byShard[g.place[n].shard] = append(byShard[g.place[n].shard], n)
	}
	for _, shard := range slices.Sorted(maps.Keys(byShard)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := make([]int64, len(byShard[shard]))
		for i, n := range byShard[shard] {
			rows[i] = int64(g.place[n].row)
		}
		at := func(i int) *Detail { return g.facts.Details[byShard[shard][i]] }
		name := m.Shards[shard].Path
		var err error
		if g.facts.Dataset.HasText {
			err = readAt(fsys, name, rows, func(i int, t *fullText) error { return at(i).fill(t) })
		} else {
			err = readAt(fsys, name, rows, func(i int, t *leanText) error { return at(i).decode(t, g.options.Decode) })
		}
		if err != nil {
			return fmt.Errorf("read shard %s: %w", name, err)
		}
	}
	return nil
}

func (d *Detail) fill(t *fullText) error {
	d.Question, d.Context = head(t.Question, questionRunes), head(t.Context, contextRunes)
	d.answers(t.Answers)
	d.TextKnown = true
	return nil
}

func (d *Detail) answers(answers []string) {
	for _, a := range answers[:min(len(answers), maxAnswers)] {
		d.Answers = append(d.Answers, head(a, answerRunes))
	}
	if n := len(answers) - maxAnswers; n > 0 {
		d.Answers = append(d.Answers, fmt.Sprintf("and %d more", n))
	}
}

func (d *Detail) decode(t *leanText, decode func([]int32) (string, error)) error {
	d.answers(t.Answers)
	if decode == nil {
		return nil
	}
	ids := t.PromptTokens
	from, err := decode(ids[:min(len(ids), promptTokens)])
	if err != nil {
		return err
	}
	d.Prompt = head(from, questionRunes)
	if len(ids) > 2*promptTokens {
		to, err := decode(ids[len(ids)-promptTokens:])
		if err != nil {
			return err
		}
		d.Prompt += "\n" + tail(to, questionRunes)
	}
	return nil
}

// head returns the first n characters, and says where it cut.
func head(text string, n int) string {
	text = strings.TrimSpace(text)
	for i := range text {
		if n == 0 {
			return strings.Clone(text[:i]) + "…"
		}
		n--
	}
	return strings.Clone(text)
}

// tail returns the last n characters, and says where it cut.
func tail(text string, n int) string {
	text = strings.TrimSpace(text)
	at := len(text)
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	if at == 0 {
		return strings.Clone(text)
	}
	return "…" + strings.Clone(text[at:])
}

// readAt reads some rows of a Parquet file, which ascend, and decodes only the pages that hold
// them. Damage is dataset.ErrCorrupt.
func readAt[R any](fsys fs.FS, name string, rows []int64, yield func(i int, row *R) error) (err error) {
	defer func() {
		if r := recover(); r != nil { // a damaged file can make the decoder panic
			err = fmt.Errorf("%w: decoder: %v", dataset.ErrCorrupt, r)
		}
	}()
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		return errors.New("its file system cannot seek")
	}
	file, err := parquet.OpenFile(at, info.Size(), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
	}
	first, i := int64(0), 0
	for _, group := range file.RowGroups() {
		end := first + group.NumRows()
		if i < len(rows) && rows[i] < end {
			if i, err = readGroup(group, first, end, rows, i, yield); err != nil {
				return err
			}
		}
		first = end
	}
	return nil
}

func readGroup[R any](group parquet.RowGroup, first, end int64, rows []int64, i int, yield func(int, *R) error) (int, error) {
	reader := parquet.NewGenericRowGroupReader[R](group)
	defer reader.Close()
	row := make([]R, 1)
	for next := first; i < len(rows) && rows[i] < end; i++ {
		if rows[i] != next {
			if err := reader.SeekToRow(rows[i] - first); err != nil {
				return i, fmt.Errorf("%w: %w", dataset.ErrCorrupt, err)
			}
		}
		clear(row)
		if n, err := reader.Read(row); n != 1 {
			return i, fmt.Errorf("%w: row %d: %w", dataset.ErrCorrupt, rows[i], err)
		}
		if err := yield(i, &row[0]); err != nil {
			return i, err
		}
		next = rows[i] + 1
	}
	return i, nil
}

// readRefused counts the reward records in the history's quarantine by reason.
func readRefused(fsys fs.FS) (map[string]int64, error) {
	counts := map[string]int64{}
	entries, err := fs.ReadDir(fsys, history.QuarantineFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".jsonl") {
			continue
		}
		if err := countRefused(fsys, history.QuarantineFolder+"/"+e.Name(), counts); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func countRefused(fsys fs.FS, name string, counts map[string]int64) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r dataset.Reject
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("read %s: %w: %w", name, dataset.ErrCorrupt, err)
		}
		counts[string(r.Reason)]++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
