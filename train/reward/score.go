package reward

import (
	"fmt"
	"maps"
	"strings"
)

// Scorers.
const (
	Strict     = "strict"
	QwenLongL1 = "qwenlong-l1"
)

// Defaults of Options.
const (
	DefaultTolerance  = 0.001
	DefaultExtraWords = 3
)

// Options say how to score. The zero value is the strict scorer with its defaults. All but the
// first are for the strict scorer only.
type Options struct {
	Scorer       string          // Strict or QwenLongL1; empty: Strict
	Types        map[string]Type // of data sources, over DefaultTypes
	Tolerance    float64         // largest relative difference of equal numbers, if the reference is not a whole one; 0: DefaultTolerance, negative: none
	ExtraWords   int             // words that a text answer may have beyond the reference; 0: DefaultExtraWords, negative: none
	RequireThink bool            // without </think> there is no answer
}

// A Scorer scores by rule. It may be used by many goroutines.
type Scorer struct {
	o     Options
	types map[string]Type
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
	switch {
	case o.Tolerance == 0:
		o.Tolerance = DefaultTolerance
	case o.Tolerance < 0:
		o.Tolerance = exactly
	case !(o.Tolerance < 1):
		return nil, fmt.Errorf("tolerance %g is not below 1", o.Tolerance)
	}
	if o.ExtraWords == 0 {
		o.ExtraWords = DefaultExtraWords
	}
	s := &Scorer{o: o, types: DefaultTypes()}
	for name, t := range o.Types {
		if name == "" || t == TypeUnknown || int(t) >= len(typeNames) {
			return nil, fmt.Errorf("data source %q has no answer type", name)
		}
		s.types[strings.ToLower(name)] = t
	}
	return s, nil
}

// Name is the scorer's name.
func (s *Scorer) Name() string { return s.o.Scorer }

// Types returns the types of all known data sources.
func (s *Scorer) Types() map[string]Type { return maps.Clone(s.types) }

// Type returns the answer type of a data source: of its name, or of the longest known name that
// stands in it between separators. "openai/gsm8k" and "docmath_20k" are known by their parts.
func (s *Scorer) Type(dataSource string) Type {
	if t := s.types[dataSource]; t != TypeUnknown {
		return t
	}
	name, best, found := strings.ToLower(dataSource), "", TypeUnknown
	for known, t := range s.types {
		if (len(known) > len(best) || len(known) == len(best) && known < best) && hasPart(name, known) {
			best, found = known, t
		}
	}
	return found
}

func hasPart(name, part string) bool {
	for from := 0; ; {
		i := strings.Index(name[from:], part)
		if i < 0 {
			return false
		}
		i += from
		if (i == 0 || !wordByte(name[i-1])) && (i+len(part) == len(name) || !wordByte(name[i+len(part)])) {
			return true
		}
		from = i + 1
	}
}

func wordByte(c byte) bool { return isLetter(c) || isDigit(c) || c >= 0x80 }

// Score compares the answer in a response with the references. It never fails: what cannot be
// scored has an unknown reward and a reason.
func (s *Scorer) Score(r Request) Verdict {
	if s.o.Scorer == QwenLongL1 {
		return released(r)
	}
	t := s.Type(r.DataSource)
	if t == TypeUnknown {
		return Verdict{Reason: UnknownSource}
	}
	if !anyReference(r.References) {
		return Verdict{Reason: NoReference}
	}
	final, finished := Final(r.Response)
	if !finished || s.o.RequireThink && !strings.Contains(r.Response, endOfThought) {
		return byRule(NotFinished, "")
	}
	answer, reason := extract(final)
	if reason != ReasonNone {
		return byRule(reason, answer)
	}
	reason = ReasonNone
	for _, reference := range r.References {
		if strings.TrimSpace(reference) == "" {
			continue
		}
		if now := s.compare(t, answer, reference, r.Question); reason == ReasonNone || now.Right() {
			reason = now
		}
		if reason.Right() {
			break
		}
	}
	return byRule(reason, answer)
}

func anyReference(references []string) bool {
	for _, r := range references {
		if strings.TrimSpace(r) != "" {
			return true
		}
	}
	return false
}

func (s *Scorer) compare(t Type, answer, reference, question string) Reason {
	switch t {
	case Numeric:
		reason := compareNumber(answer, reference, question, s.o.Tolerance)
		if reason == NoReference { // not a number: words
			return compareText(answer, unwrap(reference), &s.o)
		}
		return reason
	case YesNo:
		return compareYesNo(answer, unwrap(reference))
	case ChoiceLetter:
		return compareChoice(answer, reference, &s.o)
	case List:
		return compareList(answer, reference)
	case Math:
		return compareMath(answer, reference, question)
	default:
		return compareText(answer, unwrap(reference), &s.o)
	}
}

// byRule is the verdict of a rule.
func byRule(reason Reason, answer string) Verdict {
	v := Verdict{Answer: answer, Reason: reason}
	switch {
	case reason.Right():
		v.Rule = Known(1)
	case !reason.Unknown():
		v.Rule = Known(0)
	}
	v.Reward = v.Rule
	return v
}

// unwrap takes the answer out of a reference that is written as a response is: "Therefore, the
// answer is X."
func unwrap(reference string) string {
	reference = strings.TrimSpace(reference)
	if !containsFold(reference, "answer") && !strings.Contains(reference, "####") && !strings.Contains(reference, `\boxed`) {
		return reference
	}
	if answer, reason := extract(reference); reason == ReasonNone {
		return answer
	}
	return reference
}
