package history

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"

	"github.com/parquet-go/parquet-go"
)

// row is the schema of a segment; FORMAT.md says what each column means. It is written and
// read a column at a time (columns), never by reflection.
type row struct {
	Sequence       int64      `parquet:"sequence"`
	SampleID       string     `parquet:"sample_id"`
	Run            string     `parquet:"run,dict"`
	TrainStage     string     `parquet:"train_stage,dict"`
	Phase          int32      `parquet:"phase"`
	Step           int64      `parquet:"step"`
	Position       int64      `parquet:"position"`
	Policy         string     `parquet:"policy,dict"`
	MaxPrompt      int32      `parquet:"max_prompt"`
	MaxResponse    int32      `parquet:"max_response"`
	Temperature    *float32   `parquet:"temperature,optional"`
	Judge          string     `parquet:"judge,dict"`
	Known          int32      `parquet:"known"`
	Unknown        int32      `parquet:"unknown"`
	Successes      int32      `parquet:"successes"`
	RewardSum      float64    `parquet:"reward_sum"`
	RewardSquares  float64    `parquet:"reward_squares"`
	ZeroVariance   bool       `parquet:"zero_variance"`
	Content        int64      `parquet:"content"`
	Time           *int64     `parquet:"time,optional,timestamp(microsecond)"`
	Rewards        []*float32 `parquet:"rewards,list"`
	RuleRewards    []*float32 `parquet:"rule_rewards,list"`
	JudgeRewards   []*float32 `parquet:"judge_rewards,list"`
	ResponseLength []*int32   `parquet:"response_lengths,list"`
	StopReasons    []*string  `parquet:"stop_reasons,list"`
	Responses      []*string  `parquet:"responses,list"`
}

var schema = parquet.SchemaOf(row{})

// contentOf hashes what an outcome says besides its identity and its time.
func contentOf(o *Outcome, scratch []byte) (int64, []byte) {
	b := scratch[:0]
	b = binary.LittleEndian.AppendUint32(b, uint32(o.Phase))
	b = appendText(b, o.Policy)
	b = binary.LittleEndian.AppendUint32(b, uint32(o.Limits.MaxPrompt))
	b = binary.LittleEndian.AppendUint32(b, uint32(o.Limits.MaxResponse))
	b = appendNumber(b, o.Limits.Temperature)
	b = appendText(b, o.Judge)
	for i := range o.Rollouts {
		r := &o.Rollouts[i]
		b = appendNumber(b, r.Reward)
		b = appendNumber(b, r.RuleReward)
		b = appendNumber(b, r.JudgeReward)
		b = binary.LittleEndian.AppendUint32(b, uint32(r.ResponseLength))
		b = appendText(b, r.StopReason)
		b = appendText(b, r.Response)
	}
	sum := sha256.Sum256(b)
	return int64(binary.LittleEndian.Uint64(sum[:])), b
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

func appendNumber(b []byte, n Number) []byte {
	if !n.Known {
		return append(b, 0)
	}
	return binary.LittleEndian.AppendUint32(append(b, 1), math.Float32bits(n.Value+0)) // -0 is 0
}

// stored is an outcome with what a segment keeps beside it.
type stored struct {
	*Outcome
	visit   Visit // with its sequence
	content int64
	id      [2 * len(SampleID{})]byte // the sample id as text
}

// store prepares an outcome for writing.
func store(o *Outcome, sequence int64, scratch []byte) (stored, []byte) {
	s := stored{Outcome: o, visit: visitOf(o)}
	s.visit.Sequence = sequence
	s.content, scratch = contentOf(o, scratch)
	hex.Encode(s.id[:], o.SampleID[:])
	return s, scratch
}
