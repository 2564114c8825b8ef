// Package rollout turns prompts into groups of scored rollouts.
//
// Its rule: a rollout is a function of (weights, prompt, seed, plan position, its number in the
// group) alone; which other prompts are in the batch, how many threads decode and how often the
// run was killed change nothing. What the scorer cannot say stays unknown.
//
// The cost is the decoder's; scoring runs beside it on all cores.
package rollout

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/longctx/pipeline/sample/history"
)

// A Prompt is one position of a plan, or a held-out sample.
type Prompt struct {
	SampleID    history.SampleID
	Position    int64 // in the plan; history.UnknownPosition without one
	Epoch       int32
	Phase       int32 // that trains on it
	OriginPhase int32 // whose range its length is in; smaller for a retrospective sample
	Question    string
	DataSource  string
	References  []string
	Tokens      []int32
}

// A Rollout is one response with what it earned.
type Rollout struct {
	Tokens []int32 // with the token that ended it
	Text   string
	Stop   string // StopEnd or StopLength
	Scored
}

// Why a response ended.
const (
	StopEnd    = "stop"   // the policy ended it
	StopLength = "length" // it met its limit
)

// Scored is what a scorer says of a response: unshaped rewards in [0, 1], unknown where nobody
// could say.
type Scored struct {
	Reward, Rule, Judge history.Number
	Reason              string
}

// A Group is the rollouts of one prompt.
type Group struct {
	*Prompt
	Rollouts []Rollout // [group_size]
}

// Seed returns the seed of a prompt's responses.
func Seed(seed uint64, stage string, p *Prompt) uint64 {
	h := fnv.New64a()
	var b [8]byte
	for _, n := range []uint64{seed, uint64(p.Position)} {
		binary.LittleEndian.PutUint64(b[:], n)
		h.Write(b[:])
	}
	h.Write(p.SampleID[:])
	h.Write([]byte(stage))
	return h.Sum64()
}

// Mean returns the mean of the known rewards; known is false without any.
func (g *Group) Mean() (mean float64, known bool) {
	sum, n := 0.0, 0
	for i := range g.Rollouts {
		if r := g.Rollouts[i].Reward; r.Known {
			sum += float64(r.Value)
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}

// Outcome returns the group as the history keeps it; the caller fills in run, stage and limits.
func (g *Group) Outcome() history.Outcome {
	o := history.Outcome{Identity: history.Identity{Position: g.Position, SampleID: g.SampleID}, Rollouts: make([]history.Rollout, len(g.Rollouts))}
	for i := range g.Rollouts {
		r := &g.Rollouts[i]
		o.Rollouts[i] = history.Rollout{
			Reward: r.Reward, RuleReward: r.Rule, JudgeReward: r.Judge,
			ResponseLength: int32(len(r.Tokens)), StopReason: r.Stop, Response: r.Text,
		}
	}
	return o
}
