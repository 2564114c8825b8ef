package intake

import "strconv"

// names keeps one copy of the texts that many records repeat: runs, policies, stop reasons.
type names map[string]string

// maxNames bounds what is kept, should every record say another.
const maxNames = 1 << 12

// of returns the text of a JSON string.
func (n *names) of(v value) string {
	if s, ok := (*n)[string(v)]; ok {
		return s
	}
	s := v.unquoted()
	if *n == nil || len(*n) >= maxNames {
		*n = names{}
	}
	(*n)[string(v)] = s
	return s
}

func itoa(i int) string { return strconv.Itoa(i) }
