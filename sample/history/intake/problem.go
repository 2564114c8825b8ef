package intake

import (
	"fmt"
	"strings"

	"github.com/longctx/pipeline/dataset"
)

// Reasons for which a reward record goes to quarantine, besides dataset's own.
const (
	ReasonUnknownSample   dataset.Reason = "unknown_sample"      // no sample has this sample_id, id or prompt
	ReasonAmbiguousSource dataset.Reason = "ambiguous_source_id" // several samples have this id
	ReasonAmbiguousPrompt dataset.Reason = "ambiguous_prompt"    // several samples have this decoded prompt
	ReasonOutOfRange      dataset.Reason = "reward_out_of_range" // outside [0, 1], or --range
	ReasonNotANumber      dataset.Reason = "reward_not_a_number" // NaN or infinite
	ReasonEmptyGroup      dataset.Reason = "empty_group"         // no rewards
	ReasonCounts          dataset.Reason = "counts_differ"       // a list is not as long as the rewards
	ReasonInvalidValue    dataset.Reason = "invalid_value"       // a negative step, an unreadable time
)

// A problem is why a record cannot be used.
type problem struct {
	reason dataset.Reason
	detail string
	fatal  error // the import cannot go on
}

func bad(reason dataset.Reason, format string, args ...any) *problem {
	return &problem{reason: reason, detail: fmt.Sprintf(format, args...)}
}

// excerptRunes is how much of a bad record quarantine shows.
const excerptRunes = 200

func excerpt(text []byte) string {
	s := strings.ToValidUTF8(string(text[:min(len(text), 4*excerptRunes)]), "\uFFFD")
	if r := []rune(s); len(r) > excerptRunes {
		return string(r[:excerptRunes]) + "…"
	}
	return s
}
