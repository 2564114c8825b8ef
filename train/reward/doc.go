// Package reward says whether a response answers its question: by a rule, without a model.
//
// Its rule: a verdict is a pure function of request and options; nothing is read, written or
// executed, and no response, however long or hostile, makes it panic or take more than linear
// time. Unknown is null, never 0, and every verdict carries its reason. DESIGN.md tells the
// choices.
//
//	strict        the default: an answer is right or it is not; made for precision, since a judge comes after
//	qwenlong-l1   what the released code of QwenLong-L1 computes, also where it is wrong
//
// The packages below it: endpoint calls OpenAI-compatible servers, judge asks a model where the
// rule says 0, llmtest is a server for tests.
//
// The cost: a few microseconds for a response of some kilobytes; see BenchmarkScore.
package reward

import "strconv"

// A Request is one response to be scored.
type Request struct {
	DataSource     string   // the task, which decides the type of the answer. Example: "docmath"
	Question       string   // for the judge only
	Response       string   // all that the policy wrote, its reasoning too
	References     []string // right answers; one of them is enough
	ResponseTokens int      // length for Overlong; the rules do not look at it
}

// A Number is a number that may be unknown. Its zero value is unknown, which is not 0.
type Number struct {
	Value float32
	Known bool
}

// Known returns a known number.
func Known(v float32) Number { return Number{v, true} }

// String returns the number, or null.
func (n Number) String() string {
	if !n.Known {
		return "null"
	}
	return strconv.FormatFloat(float64(n.Value), 'g', -1, 32)
}

// MarshalJSON writes the number, or null.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

// A Verdict is what a response earned. Rewards are 0 or 1, or unknown.
type Verdict struct {
	Reward Number // max of rule and judge; unknown where a judge was needed and failed
	Rule   Number // unknown where no rule applies
	Judge  Number // unknown where no judge was asked, or it failed
	Answer string // what was taken as the answer, at most MaxAnswer bytes of it
	Reason Reason
}

// MaxAnswer is the length in bytes of the longest answer that is looked at. What is longer is no
// answer, and is wrong.
const MaxAnswer = 2000
