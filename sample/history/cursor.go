package history

import "fmt"

// A Cursor is where a training stage goes on after a resume. Outcomes at or past it were
// recorded by the run that was cut off, and will be drawn again.
type Cursor struct {
	Run        string `json:"run"`
	TrainStage string `json:"train_stage"`
	Step       int64  `json:"step"`     // the first step that is done again
	Position   int64  `json:"position"` // the first plan position that is drawn again; 0: the step decides alone
}

func (c Cursor) String() string {
	return fmt.Sprintf("run %q, train_stage %q from step %d, position %d", c.Run, c.TrainStage, c.Step, c.Position)
}

// of reports whether the cursor is of a setting's stage.
func (c *Cursor) of(s *Setting) bool { return c.Run == s.Run && c.TrainStage == s.TrainStage }

// Covers reports whether an outcome with an identity is taken back when a run resumes at the
// cursor.
func (c Cursor) Covers(id Identity) bool {
	return c.Run == id.Run && c.TrainStage == id.TrainStage && c.past(id.Step, id.Position)
}

// past reports whether an outcome of the cursor's stage is at or past it. An unknown position
// leaves the decision to the step.
func (c *Cursor) past(step, position int64) bool {
	return step >= c.Step && (position >= c.Position || position == UnknownPosition)
}

// A view says which rows of the segments a snapshot shows.
type view struct {
	sequence   int64 // of the snapshot
	superseded []supersession
}

// of returns the supersessions that can hide outcomes of a setting.
func (v *view) of(s *Setting) []supersession {
	var out []supersession
	for _, p := range v.superseded {
		if p.Sequence <= v.sequence && p.of(s) {
			out = append(out, p)
		}
	}
	return out
}

// shows reports whether an outcome is visible; hiding is what of returned for its setting.
func (v *view) shows(hiding []supersession, sequence, step, position int64) bool {
	if sequence > v.sequence {
		return false
	}
	for i := range hiding {
		if sequence < hiding[i].Sequence && hiding[i].past(step, position) {
			return false
		}
	}
	return true
}
