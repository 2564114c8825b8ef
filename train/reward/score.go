package reward

import "fmt"

// Scorers.
const (
	Strict     = "strict"
	QwenLongL1 = "qwenlong-l1"
)

// Options say how to score. The zero value is the strict scorer with its defaults.
type Options struct {
	Scorer     string          // Strict or QwenLongL1; empty: Strict
	Types      map[string]Type // of data sources, over DefaultTypes; strict only
	Tolerance  float64         // strict: largest relative difference of equal numbers; 0: only rounding of the answer to the reference's digits
	ExtraWords int             // strict: words that a text answer may have beyond the reference; negative: none, 0: DefaultExtraWords
}

// DefaultExtraWords is how many words longer than the reference an answer in text may be.
const DefaultExtraWords = 4

// A Scorer scores by rule. It may be used by many goroutines.
type Scorer struct {
	types map[string]Type
	o     Options
}

// New prepares a scorer.
func New(o Options) (*Scorer, error) {
	switch o.Scorer {
	case "":
		o.Scorer = Strict
	case Strict, QwenLongL1:
	default:
		return nil, fmt.Errorf("unknown scorer %q: %s or %s", o.Scorer, Strict, QwenLongL1)
	}
	return &Scorer{types: DefaultTypes(), o: o}, nil
}

// Score compares the answer in a response with the references. It never fails: what cannot be
// scored has an unknown reward and a reason.
func (s *Scorer) Score(r Request) Verdict { return Verdict{Reason: UnknownSource} }
