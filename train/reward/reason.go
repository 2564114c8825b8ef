package reward

import "fmt"

// A Reason says how a verdict came about.
type Reason uint8

// Reasons of verdicts. The first group gives reward 1, the second 0, the third null.
const (
	ReasonNone Reason = iota

	Exact    // equal after normalization
	Contains // the reference stands in the answer, which is hardly longer
	Equal    // equal as numbers or as mathematics
	Choice   // the same letter
	SameList // the same items
	Judged   // the rule said 0, the judge says right

	Different   // there is an answer, and it is another one
	NoAnswer    // no answer was found in the response
	NotFinished // the reasoning has no end: no </think>
	TooLong     // what should be the answer is longer than an answer
	Unparsed    // an answer of another type, such as words where a number was asked for
	Ambiguous   // more than one answer
	JudgedWrong // the judge says wrong, as the rule did

	UnknownSource // no type of answer is known for the data source
	NoReference   // there is nothing to compare with
	JudgeFailed   // the rule said 0, and the judge could not be asked
	JudgeUnclear  // the judge answered, but without a verdict
	numReasons
)

var reasons = [numReasons]struct{ name, text string }{
	ReasonNone:    {"none", "not scored"},
	Exact:         {"exact", "equal after normalization"},
	Contains:      {"contains", "the reference stands in the answer"},
	Equal:         {"equal", "equal in value"},
	Choice:        {"choice", "the right choice"},
	SameList:      {"same_list", "the same items"},
	Judged:        {"judge_right", "the judge says right"},
	Different:     {"different", "another answer"},
	NoAnswer:      {"no_answer", "no answer in the response"},
	NotFinished:   {"not_finished", "the reasoning does not end"},
	TooLong:       {"too_long", "too long for an answer"},
	Unparsed:      {"unparsed", "not an answer of this type"},
	Ambiguous:     {"ambiguous", "more than one answer"},
	JudgedWrong:   {"judge_wrong", "the judge says wrong too"},
	UnknownSource: {"unknown_data_source", "no answer type is known for this data_source"},
	NoReference:   {"no_reference", "no reference answer to compare with"},
	JudgeFailed:   {"judge_failed", "the judge could not be asked"},
	JudgeUnclear:  {"judge_unclear", "the judge gave no verdict"},
}

// Right reports whether the reason gives reward 1.
func (r Reason) Right() bool { return r >= Exact && r <= Judged }

// Unknown reports whether the reason gives no reward.
func (r Reason) Unknown() bool { return r == ReasonNone || r >= UnknownSource }

// Reasons returns all reasons, in order.
func Reasons() []Reason {
	all := make([]Reason, 0, numReasons-1)
	for r := Exact; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}

// String returns the name of a reason, as files have it. Example: "no_answer"
func (r Reason) String() string {
	if r >= numReasons {
		return fmt.Sprintf("reason(%d)", uint8(r))
	}
	return reasons[r].name
}

// Text says it for people.
func (r Reason) Text() string {
	if r >= numReasons {
		return r.String()
	}
	return reasons[r].text
}

// MarshalText writes the name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
