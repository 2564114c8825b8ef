package reward

import "fmt"

// A Type is the type of an answer, which decides how two are compared.
type Type uint8

// Types of answers.
const (
	TypeUnknown  Type = iota
	Text              // a name, a date, a short phrase
	Numeric           // one number
	YesNo             // yes or no
	ChoiceLetter      // one of the letters A to J
	List              // some items, in any order
	Math              // a number, or an expression in LaTeX
)

var typeNames = [...]string{TypeUnknown: "unknown", Text: "text", Numeric: "number", YesNo: "yes_no", ChoiceLetter: "choice", List: "list", Math: "math"}

// String returns the name of a type, as the config has it.
func (t Type) String() string {
	if int(t) >= len(typeNames) {
		return fmt.Sprintf("type(%d)", uint8(t))
	}
	return typeNames[t]
}

// ParseType reads the name of a type.
func ParseType(name string) (Type, error) {
	for t, n := range typeNames {
		if n == name && t > 0 {
			return Type(t), nil
		}
	}
	return TypeUnknown, fmt.Errorf("unknown answer type %q: text, number, yes_no, choice, list or math", name)
}

// DefaultTypes are the types of the benchmarks, of the training set and of this program's own
// tasks.
func DefaultTypes() map[string]Type {
	return map[string]Type{
		"docmath": Numeric, "gsm8k": Numeric, "synth_lookup": Numeric, "synth_table": Numeric,
		"frames": Text, "2wikimultihopqa": Text, "hotpotqa": Text, "musique": Text, "narrativeqa": Text, "qasper": Text,
		"multihoprag": Text, "multihop": Text, "synth_chain": Text,
		"long_toc_choices": ChoiceLetter,
		"math":             Math, "qwen25math": Math,
	}
}
