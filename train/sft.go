package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/train/learner"
	"github.com/longctx/pipeline/train/metrics"
	"github.com/longctx/pipeline/train/rollout"
)

// sftPlace is where an SFT stage is.
type sftPlace struct {
	Level     int   `json:"level"`
	LevelStep int64 `json:"level_step"`
	Epoch     int32 `json:"epoch"`
	Position  int   `json:"position"` // in the epoch's order of documents
}

// A lesson is what an SFT stage imitates at one level: a tree for each document, whose questions
// share its tokens, and held-out samples to see how far it is.
type lesson struct {
	trees []learner.Tree
	held  []rollout.Prompt
}

// sft runs the steps that are left of an SFT stage.
func (r *run) sft(s *Stage) (ended string, err error) {
	levels := s.LengthCurriculum
	if len(levels) == 0 {
		levels = []Level{{MaxPrompt: s.MaxPrompt, Steps: s.Steps}}
	}
	lessons, err := r.readLessons(s, levels)
	if err != nil {
		return "", err
	}
	total := int64(0)
	for i, l := range levels {
		if l.Steps == 0 {
			total += int64(s.Epochs) * int64((len(lessons[i].trees)+s.Batch-1)/s.Batch)
		}
		total += l.Steps
	}
	rate := learner.Schedule{Peak: s.LR, Warmup: s.Warmup, Steps: total, Floor: s.LRFloor}
	for r.state.SFT.Level < len(levels) {
		if err := r.level(s, levels[r.state.SFT.Level], &lessons[r.state.SFT.Level], rate); err != nil {
			return "", err
		}
		r.state.SFT = sftPlace{Level: r.state.SFT.Level + 1}
	}
	return "all steps are done", nil
}

// level trains on one level until it is good enough or its steps are spent.
func (r *run) level(s *Stage, l Level, lesson *lesson, rate learner.Schedule) error {
	at := &r.state.SFT
	done := func() bool {
		return l.Steps > 0 && at.LevelStep >= l.Steps || l.Steps == 0 && at.Epoch >= s.Epochs
	}
	for {
		accuracy, err := r.examine(s, l, lesson, done())
		if err != nil {
			return err
		}
		if reached := l.Until > 0 && accuracy >= l.Until; reached || done() {
			c := &r.state.Current
			c.Levels = append(c.Levels, LevelReport{l.MaxPrompt, at.LevelStep, accuracy, reached})
			r.say(s, "%s: prompts up to %d tokens: Pass@1 %.3f after %d steps", s.Name, l.MaxPrompt, accuracy, at.LevelStep)
			if l.Until > 0 && !reached {
				r.warn(s, "%s: Pass@1 %.3f is under the aim of %.3f; RL from a policy that cannot do its task yet hardly learns", s.Name, accuracy, l.Until)
			}
			return nil
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if err := r.imitate(s, lesson, rate.At(r.state.StageStep)); err != nil {
			return err
		}
	}
}

// imitate does one step.
func (r *run) imitate(s *Stage, lesson *lesson, rate float64) error {
	started := r.Now()
	at := &r.state.SFT
	trees := lesson.next(at, s.Batch, r.Seed)
	mini := s.Batch
	if s.MiniBatch > 0 {
		mini = s.MiniBatch
	}
	var sum updates
	var record metrics.Record
	for from := 0; from < len(trees); from += mini {
		stats, err := r.policy.update(trees[from:min(from+mini, len(trees))], learner.Objective{Kind: learner.SFT}, rate)
		if errors.Is(err, learner.ErrNotFinite) {
			record.Loss = metrics.Known(math.NaN())
			break // the weights are as they were; the guard decides
		}
		if err != nil {
			return err
		}
		sum.add(stats)
	}
	r.state.Current.Updates += int64(sum.n)
	if sum.n > 0 && !record.Loss.Known {
		sum.fill(&record, rate)
		record.Accuracy = metrics.Known(sum.accuracy())
	}
	at.LevelStep++
	return r.stepped(s, record, started)
}

// next returns the documents of the next step. Each epoch has an order of its own, a function of
// the seed and its number; its last step may be short.
func (l *lesson) next(at *sftPlace, batch int, seed uint64) []learner.Tree {
	order := rand.New(rand.NewPCG(seed, uint64(at.Level)<<32|uint64(uint32(at.Epoch)))).Perm(len(l.trees))
	var trees []learner.Tree
	for ; at.Position < len(order) && len(trees) < batch; at.Position++ {
		trees = append(trees, l.trees[order[at.Position]])
	}
	if at.Position == len(order) {
		at.Epoch, at.Position = at.Epoch+1, 0
	}
	return trees
}

// examine evaluates the policy on held-out samples of the level where that is due: every so many
// steps, and at the end of the level.
func (r *run) examine(s *Stage, l Level, lesson *lesson, end bool) (accuracy float64, err error) {
	every := r.Eval.Every
	if every == 0 {
		every = examineEvery
	}
	if len(lesson.held) == 0 || r.Score == nil || !end && (l.Until == 0 || r.state.SFT.LevelStep%every != 0) {
		return 0, nil
	}
	name := fmt.Sprintf("warm-up to %d", l.MaxPrompt)
	if n := len(r.state.Current.Evals); n > 0 { // an interrupted run has looked already
		if last := r.state.Current.Evals[n-1]; last.Name == name && last.StageStep == r.state.StageStep {
			return float64(last.Avg.Mean), nil
		}
	}
	e, err := r.evaluate(s, name, 0, lesson.held, end)
	if err != nil {
		return 0, err
	}
	return float64(e.Avg.Mean), nil
}

// examineEvery is how many steps lie between two looks at a level's aim, where the options do not say.
const examineEvery = 25

// sftRow is what a warm-up reads of a shard.
type sftRow struct {
	SampleID       string   `parquet:"sample_id"`
	DataSource     string   `parquet:"data_source,optional"`
	Answers        []string `parquet:"answers,list"`
	PromptTokens   []int32  `parquet:"prompt_tokens,list"`
	ResponseTokens []int32  `parquet:"response_tokens,optional,list"`
}

// readLessons reads the SFT samples of the phases up to the stage's own into their levels.
func (r *run) readLessons(s *Stage, levels []Level) ([]lesson, error) {
	lessons := make([]lesson, len(levels))
	held := make([]bool, len(levels))
	before := make([][]int32, len(levels)) // the last prompt of each level
	for _, shard := range r.manifest.Shards {
		if shard.Kind != dataset.KindSFT || shard.Phase > s.Phase {
			continue
		}
		err := readSFT(r.ctx, r.Dataset, shard.Path, func(row *sftRow) error {
			i := levelOf(levels, len(row.PromptTokens))
			if i < 0 || len(row.ResponseTokens) > int(s.MaxResponse) {
				return nil
			}
			l := &lessons[i]
			id, err := history.ParseSampleID(row.SampleID)
			if err != nil {
				return fmt.Errorf("shard %s: %w: %w", shard.Path, dataset.ErrCorrupt, err)
			}
			shared := sharedDocument(before[i], row.PromptTokens)
			if shared == 0 { // the questions of a document are held out together
				held[i] = curriculum.HeldOut(id, r.Eval.HoldOut)
			}
			before[i] = append([]int32(nil), row.PromptTokens...)
			switch {
			case held[i]:
				if shared == 0 && len(l.held) < r.Eval.Samples { // the first question: later ones may repeat it
					l.held = append(l.held, heldRow(row, id, shard.Phase, before[i]))
				}
			case shared == 0:
				l.trees = append(l.trees, learner.Tree{Prompt: before[i], Branches: []learner.Branch{{Tokens: append([]int32(nil), row.ResponseTokens...)}}})
			default:
				l.trees[len(l.trees)-1] = graft(l.trees[len(l.trees)-1], shared, before[i], row.ResponseTokens)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range lessons {
		if len(lessons[i].trees) == 0 {
			return nil, fmt.Errorf("%w: there are no SFT samples with prompts up to %d tokens and responses up to %d", ErrOptions, levels[i].MaxPrompt, s.MaxResponse)
		}
	}
	return lessons, nil
}

func readSFT(ctx context.Context, fsys fs.FS, path string, use func(*sftRow) error) error {
	for rows, err := range dataset.ReadRows[sftRow](fsys, path) {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		for i := range rows {
			if err := use(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func heldRow(row *sftRow, id history.SampleID, phase int32, prompt []int32) rollout.Prompt {
	return rollout.Prompt{
		SampleID: id, DataSource: row.DataSource, References: append([]string(nil), row.Answers...), Tokens: prompt,
		Phase: phase, OriginPhase: phase, Position: history.UnknownPosition,
	}
}

// levelOf returns the level of a prompt, -1 where it is too long for all.
func levelOf(levels []Level, length int) int {
	for i, l := range levels {
		if length <= int(l.MaxPrompt) {
			return i
		}
	}
	return -1
}

// sharedDocument returns how many tokens two prompts begin with alike, 0 where they are not two
// questions about one document: three quarters of the shorter.
func sharedDocument(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if 4*n < 3*min(len(a), len(b)) || n == 0 {
		return 0
	}
	return n
}

// graft adds a question to a document's tree: what its prompts share stays the trunk, the rest of
// each becomes the given part of a branch.
func graft(t learner.Tree, shared int, prompt, response []int32) learner.Tree {
	trunk := min(shared, len(t.Prompt))
	if rest := t.Prompt[trunk:]; len(rest) > 0 {
		for i := range t.Branches {
			b := &t.Branches[i]
			b.Tokens, b.Given = append(append([]int32(nil), rest...), b.Tokens...), b.Given+len(rest)
		}
	}
	t.Prompt = t.Prompt[:trunk]
	rest := prompt[trunk:]
	t.Branches = append(t.Branches, learner.Branch{Tokens: append(append([]int32(nil), rest...), response...), Given: len(rest)})
	return t
}
