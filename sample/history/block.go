package history

import (
	"sync"

	"github.com/parquet-go/parquet-go"
)

// Columns in the order of row that are read as a whole.
const (
	columnSequence = iota
	columnSampleID
	columnRun
	columnTrainStage
	columnPhase
	columnStep
	columnPosition
	columnPolicy
	columnMaxPrompt
	columnMaxResponse
	columnTemperature
	columnJudge
	columnKnown
	columnUnknown
	columnSuccesses
	columnSum
	columnSquares
	columnZeroVariance
	columnContent
	columnTime
	columnRewards
)

// A block is the chosen visits of one row group.
type block struct {
	visits  []Visit
	rows    []int32 // of each visit in its row group, where asked for
	content []int64 // of each visit, where asked for
}

// want says what a scan reads besides visits.
type want struct {
	rows, content bool
}

// settings interns what outcomes have in common, so that visits share a pointer.
type settings struct {
	mu    sync.Mutex
	known map[Setting]*Setting
}

func (t *settings) intern(s Setting) *Setting {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.known[s]
	if !ok {
		p = &s
		if t.known == nil {
			t.known = map[Setting]*Setting{}
		}
		t.known[s] = p
	}
	return p
}

// readBlock reads the visits of a row group that the view shows and the filter takes.
func readBlock(group parquet.RowGroup, v *view, f *Filter, t *settings, w want) (*block, error) {
	setting, err := readSettings(group, t)
	if err != nil {
		return nil, err
	}
	c, err := readCounts(group, w)
	if err != nil {
		return nil, err
	}
	b := &block{visits: make([]Visit, 0, len(setting))}
	var last *Setting
	var taken bool
	var hiding []supersession
	for i, s := range setting {
		if s != last {
			last, taken, hiding = s, f.takesSetting(s), v.of(s)
		}
		if !taken || !f.takes(c.phase[i], c.step[i]) || !v.shows(hiding, c.sequence[i], c.step[i], c.position[i]) {
			continue
		}
		b.visits = append(b.visits, Visit{
			SampleID: c.id[i], Setting: s, Phase: c.phase[i], Step: c.step[i], Position: c.position[i], Sequence: c.sequence[i],
			Known: c.known[i], Unknown: c.unknown[i], Successes: c.successes[i],
			Sum: c.sum[i], Squares: c.squares[i], ZeroVariance: c.zero[i],
		})
		if w.rows {
			b.rows = append(b.rows, int32(i))
		}
		if w.content {
			b.content = append(b.content, c.content[i])
		}
	}
	return b, nil
}

// counts are the columns of visits, [rows of the group].
type counts struct {
	id                                []SampleID
	phase, known, unknown, successes  []int32
	sequence, step, position, content []int64
	sum, squares                      []float64
	zero                              []bool
}

func readCounts(group parquet.RowGroup, w want) (c counts, err error) {
	read32 := func(column int, to *[]int32) {
		if err == nil {
			*to, err = readColumn(group, column, int32s)
		}
	}
	read64 := func(column int, to *[]int64) {
		if err == nil {
			*to, err = readColumn(group, column, int64s)
		}
	}
	readDouble := func(column int, to *[]float64) {
		if err == nil {
			*to, err = readColumn(group, column, doubles)
		}
	}
	c.id, err = readIDs(group, columnSampleID)
	read64(columnSequence, &c.sequence)
	read32(columnPhase, &c.phase)
	read64(columnStep, &c.step)
	read64(columnPosition, &c.position)
	read32(columnKnown, &c.known)
	read32(columnUnknown, &c.unknown)
	read32(columnSuccesses, &c.successes)
	readDouble(columnSum, &c.sum)
	readDouble(columnSquares, &c.squares)
	if err == nil {
		c.zero, err = readBools(group, columnZeroVariance)
	}
	if w.content {
		read64(columnContent, &c.content)
	}
	return c, err
}

// readSettings returns the setting of each row. It changes rarely from row to row.
func readSettings(group parquet.RowGroup, t *settings) ([]*Setting, error) {
	var names [4][]string
	var which [4][]int32
	var err error
	for i, column := range [...]int{columnRun, columnTrainStage, columnPolicy, columnJudge} {
		if names[i], which[i], err = readNames(group, column); err != nil {
			return nil, err
		}
	}
	maxPrompt, err := readColumn(group, columnMaxPrompt, int32s)
	if err != nil {
		return nil, err
	}
	maxResponse, err := readColumn(group, columnMaxResponse, int32s)
	if err != nil {
		return nil, err
	}
	temperature, err := readNumbers(group, columnTemperature)
	if err != nil {
		return nil, err
	}
	type key struct {
		name   [4]int32
		limits Limits
	}
	var last key
	local := map[key]*Setting{}
	out := make([]*Setting, len(maxPrompt))
	for i := range out {
		k := key{[4]int32{which[0][i], which[1][i], which[2][i], which[3][i]}, Limits{maxPrompt[i], maxResponse[i], temperature[i]}}
		if i > 0 && k == last {
			out[i] = out[i-1]
			continue
		}
		last = k
		s := local[k]
		if s == nil {
			s = t.intern(Setting{Measurement{names[0][k.name[0]], k.limits, names[3][k.name[3]]}, names[1][k.name[1]], names[2][k.name[2]]})
			local[k] = s
		}
		out[i] = s
	}
	return out, nil
}
