package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/longctx/pipeline/sample/curriculum"
)

// lookEvery is how often a Follow looks at a plan of which nobody says that it has changed.
const lookEvery = time.Second

// A Follow waits for the next segment of a plan that still grows; its More is for Options.
type Follow struct {
	Open    func(plan int) (*curriculum.Plan, error) // opens Options.Plans[plan] as it stands now
	Most    time.Duration                            // it waits for each segment
	Changed func() <-chan struct{}                   // closed when it is worth a look at once; nil: never
}

// More returns the plan when it has grown or is done, nil when the wait is over.
func (f *Follow) More(ctx context.Context, plan int, p *curriculum.Plan) (*curriculum.Plan, error) {
	over := time.After(f.Most)
	for {
		var changed <-chan struct{}
		if f.Changed != nil {
			changed = f.Changed() // before the look: what changes after it is not missed
		}
		now, err := f.Open(plan)
		if err != nil {
			return nil, err
		}
		if now.ID() != p.ID() {
			return nil, fmt.Errorf("%w: plan %.16s was replaced by %.16s while the stream waited for more of it", ErrCursor, p.ID(), now.ID())
		}
		if now.Len() > p.Len() || now.Done() {
			return now, nil
		}
		select {
		case <-changed:
		case <-time.After(lookEvery):
		case <-over:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
