package export

import (
	"encoding/json"
	"fmt"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/tokenize/template"
)

// A Row is one position of the order with its sample, before it has a format.
type Row struct {
	DatasetID   string
	PlanID      string // empty without a plan
	Phase       int32  // that trains on it
	OriginPhase int32  // whose range its length is in: smaller for a retrospective sample
	Position    int64  // in the plan
	Epoch       int32

	SampleID     string
	DataSource   string // empty: the source does not say
	Question     string
	Answers      []string
	Prompt       []Message // before the chat template; nil without text
	PromptLength int32     // tokens, with the chat template
	PromptTokens []int32   // only where the format asks for them
}

// A Message is one turn of a prompt.
type Message struct {
	Role    string `parquet:"role" json:"role"` // Example: "user"
	Content string `parquet:"content" json:"content"`
}

// Answer is the first reference answer, nil where there is none.
func (r *Row) Answer() *string {
	if len(r.Answers) == 0 {
		return nil
	}
	return &r.Answers[0]
}

// The columns of a shard that a row is made of, in a dataset with text and in one without.
// Ids come beside them.
type (
	leanRow struct {
		SampleID     string   `parquet:"sample_id"`
		DataSource   string   `parquet:"data_source,optional"`
		Answers      []string `parquet:"answers,list"`
		PromptLength int32    `parquet:"prompt_length"`
	}
	textColumns struct {
		Question string `parquet:"question"`
		Context  string `parquet:"context"`
		Messages string `parquet:"messages,optional"`
	}
	textRow struct {
		leanRow
		textColumns
	}
)

// row makes the row of a place from what its shard holds.
func (o *Options) row(p *place, c textRow) (Row, error) {
	if p.id != "" && c.SampleID != p.id {
		return Row{}, fmt.Errorf("%w: it is sample %s, the plan says %s", dataset.ErrCorrupt, c.SampleID, p.id)
	}
	r := Row{
		DatasetID: o.Manifest.ID, Phase: o.Phase, OriginPhase: p.origin, Position: p.position, Epoch: p.epoch,
		SampleID: c.SampleID, DataSource: c.DataSource, Question: c.Question, Answers: c.Answers, PromptLength: c.PromptLength,
	}
	if o.Plan != nil {
		r.PlanID, r.Phase = o.Plan.ID(), o.Plan.Config().Phase
	}
	if o.Manifest.Layout() == dataset.LayoutLean {
		return r, nil
	}
	var err error
	r.Prompt, err = messages(o.Prompt, c.textColumns)
	if err != nil {
		err = fmt.Errorf("%w: sample %s: messages: %w", dataset.ErrCorrupt, c.SampleID, err)
	}
	return r, err
}

// messages returns what the build gave to the chat template.
func messages(t *template.PromptTemplate, c textColumns) ([]Message, error) {
	if c.Messages == "" {
		return []Message{{"user", t.Fill(c.Question, c.Context).Text}}, nil
	}
	var chat []Message
	if err := json.Unmarshal([]byte(c.Messages), &chat); err != nil {
		return nil, err
	}
	return chat, nil
}
