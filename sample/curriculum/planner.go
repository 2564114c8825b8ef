package curriculum

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/longctx/pipeline/sample/history"
)

// A Planner draws the order of a phase, as a whole or segment by segment.
//
//	p, err := curriculum.New(table, config)
//	for !p.Done() {
//		snapshot, err := history.Read(fsys)
//		err = p.Follow(ctx, snapshot)                           // what came of the segments before
//		k, err := curriculum.Learn(ctx, snapshot, table, config) // what is known now
//		segment, err := p.Next(ctx, k, 128)                     // the next 128 positions
//		err = segment.Write(fsys, "plan.parquet")               // synced before it is served
//		// the phase runs on it, and its outcomes are appended to the history ...
//	}
//
// Where nothing reacts (Config.Reacts), segments drawn from one snapshot are the whole plan.
type Planner struct {
	table  *Table
	config Config
	mix    mixture

	planID   string
	segment  int32
	position int64
	previous string // rows hash of the segment before
	observed int64  // number of the last commit of the history that was observed
	cursor   cursor
	drawn    []bool // [table samples] in this epoch
	pool     []pooled
	shards   [][]byte // [table shards] paths
	refusers [256][]byte
}

// cursor is where a plan goes on; segments carry it.
type cursor struct {
	Epoch   int32 `json:"epoch"`   // of the next position, from 0
	Own     int64 `json:"own"`     // drawn in this epoch from the own range
	Earlier int64 `json:"earlier"` // drawn in this epoch from earlier phases
}

// pooled is a sample in the draw of one segment.
type pooled struct {
	sample                 int32
	rollouts               int32
	estimate, lower, upper float64 // where known
	weight, key            float64
	allWrong, allRight     float32 // expected, of one group
	known                  bool
	reason                 Reason // of the draw, or of the refusal
	refuser                uint8  // who refused; see Planner.refuserName
}

// Who refuses, besides the gates from 1 on.
const (
	refuserNone     = 0
	refuserShare    = 253 // beyond the share of the epoch
	refuserOwn      = 254 // the strategy
	refuserStrategy = 255 // the retrospective strategy
)

// refuserName returns what the column gate of a refusal says.
func (p *Planner) refuserName(refuser uint8) string {
	switch refuser {
	case refuserShare:
		return "share"
	case refuserOwn:
		return p.config.Strategy
	case refuserStrategy:
		return p.config.Retrospective
	}
	return p.config.Gates[refuser-1]
}

// New returns a planner at the beginning of a phase.
func New(t *Table, c Config) (*Planner, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m, err := c.build()
	if err != nil {
		return nil, err
	}
	p := &Planner{table: t, config: c, mix: m, drawn: make([]bool, len(t.Samples))}
	for _, path := range t.Shards {
		p.shards = append(p.shards, []byte(path))
	}
	for i := range c.Gates {
		p.refusers[i+1] = []byte(p.refuserName(uint8(i + 1)))
	}
	for _, r := range []uint8{refuserShare, refuserOwn, refuserStrategy} {
		p.refusers[r] = []byte(p.refuserName(r))
	}
	return p, nil
}

// Done reports whether all epochs are drawn.
func (p *Planner) Done() bool { return p.cursor.Epoch >= p.config.Epochs }

// Follow observes the visits of this phase that were recorded since the snapshot of the last
// call, which segments remember. Those from before the plan began are not its own.
func (p *Planner) Follow(ctx context.Context, snap *history.Snapshot) error {
	var visits []history.Visit
	newest := p.observed
	filter := history.Filter{Runs: p.config.Runs, MinPhase: p.config.Phase, MaxPhase: p.config.Phase}
	for block, err := range snap.Visits(ctx, filter) {
		if err != nil {
			return err
		}
		for i := range block {
			if v := &block[i]; v.Sequence > p.observed {
				newest = max(newest, v.Sequence)
				visits = append(visits, *v)
			}
		}
	}
	p.observed = newest
	if p.segment > 0 {
		p.observe(visits)
	}
	return nil
}

// observe takes visits. What strategies keep of them goes into the state of the next segment.
func (p *Planner) observe(visits []history.Visit) {
	slices.SortStableFunc(visits, trainingOrder)
	p.mix.own.Observe(visits)
	if p.mix.retrospective != nil {
		p.mix.retrospective.Observe(visits)
	}
	for _, g := range p.mix.gates {
		g.Observe(visits)
	}
}

// Next draws up to n positions from what is known now; n <= 0: all that are left. With
// balanced tasks n must be a multiple of the batch. A segment can be empty where gates refuse
// all that is left.
func (p *Planner) Next(ctx context.Context, k *Knowledge, n int64) (*Segment, error) {
	if p.Done() {
		return nil, fmt.Errorf("the plan is complete: all %d epochs are drawn", p.config.Epochs)
	}
	if n <= 0 {
		n = math.MaxInt64
	} else if p.config.BalanceTasks && n%int64(p.config.Batch) != 0 {
		return nil, fmt.Errorf("%d positions are not a multiple of the batch, %d", n, p.config.Batch)
	}
	if p.segment == 0 {
		p.planID = planID(p.table.DatasetID, k.Snapshot, &p.config)
	}
	s := p.begin(k)
	for !p.Done() && int64(s.Len()) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p.draw(s, k, n-int64(s.Len()))
	}
	s.Account.finish(p)
	s.Header.State = p.state()
	s.Header.Rows = int64(s.Len())
	s.Header.Done = p.Done()
	s.Header.RowsSHA256 = s.hash()
	p.segment++
	p.position += s.Header.Rows
	p.previous = s.Header.RowsSHA256
	return s, nil
}

// draw adds positions of the present epoch to a segment, at most n.
func (p *Planner) draw(s *Segment, k *Knowledge, n int64) {
	random := newRandom(p.config.Seed, p.cursor.Epoch)
	p.weigh(k, random) // a new pool: the segment keeps it
	own, earlier := p.queues(random)
	quotaOwn, quotaEarlier := p.quotas(len(own), len(earlier))
	own, earlier = p.cut(own, quotaOwn), p.cut(earlier, quotaEarlier)
	order := interleave(own, earlier, p.cursor.Own, p.cursor.Earlier)
	if p.config.BalanceTasks {
		order = p.balance(order, p.position+int64(s.Len()))
	}
	ends := int64(len(order)) <= n
	if !ends {
		order = order[:n]
	}
	s.add(p, order, p.cursor.Epoch)
	for _, i := range order {
		sample := p.pool[i].sample
		p.drawn[sample] = true
		if p.table.Samples[sample].Phase == p.config.Phase {
			p.cursor.Own++
		} else {
			p.cursor.Earlier++
		}
	}
	if ends {
		p.cursor = cursor{Epoch: p.cursor.Epoch + 1}
		clear(p.drawn)
	}
}

// quotas returns how many samples of the queues may still be drawn in this epoch.
func (p *Planner) quotas(own, earlier int) (quotaOwn, quotaEarlier int64) {
	quotaOwn, quotaEarlier = int64(own), int64(earlier)
	if p.config.Draw > 0 {
		quotaOwn = min(quotaOwn, max(p.config.Draw-p.cursor.Own, 0))
	}
	switch {
	case p.config.Count > 0:
		quotaEarlier = min(quotaEarlier, max(p.config.Count-p.cursor.Earlier, 0))
	case p.config.Ratio > 0:
		want := int64(math.Round(p.config.Ratio * float64(p.cursor.Own+quotaOwn)))
		quotaEarlier = min(quotaEarlier, max(want-p.cursor.Earlier, 0))
	}
	return quotaOwn, quotaEarlier
}

// cut keeps the first n of a queue; the others are refused for now.
func (p *Planner) cut(queue []int32, n int64) []int32 {
	for _, i := range queue[n:] {
		c := &p.pool[i]
		c.refuser, c.reason = refuserShare, ReasonShare
	}
	return queue[:n]
}

// queues returns the samples that qualify, in the order of their keys: indices into the pool.
func (p *Planner) queues(r Random) (own, earlier []int32) {
	var a, b []keyed
	for i := range p.pool {
		c := &p.pool[i]
		if c.refuser != refuserNone {
			continue
		}
		item := keyed{math.Float64bits(c.key), int32(i)}
		if p.table.Samples[c.sample].Phase == p.config.Phase {
			a = append(a, item)
		} else {
			b = append(b, item)
		}
	}
	return p.sorted(a, r), p.sorted(b, r)
}

func (p *Planner) sorted(items []keyed, r Random) []int32 {
	sortKeyed(items, r, func(i int32) history.SampleID { return p.table.Samples[p.pool[i].sample].ID })
	queue := make([]int32, len(items))
	for i, it := range items {
		queue[i] = it.candidate
	}
	return queue
}

// state is what the next segment goes on from.
type state struct {
	Cursor        cursor            `json:"cursor"`
	Observed      int64             `json:"observed"`
	Strategy      json.RawMessage   `json:"strategy,omitempty"`
	Retrospective json.RawMessage   `json:"retrospective,omitempty"`
	Gates         []json.RawMessage `json:"gates,omitempty"` // [config gates]
}

func (p *Planner) state() json.RawMessage {
	s := state{Cursor: p.cursor, Observed: p.observed, Strategy: p.mix.own.State()}
	if p.mix.retrospective != nil {
		s.Retrospective = p.mix.retrospective.State()
	}
	for _, g := range p.mix.gates {
		s.Gates = append(s.Gates, g.State())
	}
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain data
	}
	return data
}

// restore takes a state back; parts that have none are null.
func (p *Planner) restore(data json.RawMessage) error {
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if len(s.Gates) != len(p.mix.gates) {
		return fmt.Errorf("it has %d gates, the config %d", len(s.Gates), len(p.mix.gates))
	}
	p.cursor, p.observed = s.Cursor, s.Observed
	if err := restorePart(p.mix.own, s.Strategy); err != nil {
		return err
	}
	if p.mix.retrospective != nil {
		if err := restorePart(p.mix.retrospective, s.Retrospective); err != nil {
			return err
		}
	}
	for i, g := range p.mix.gates {
		if err := restorePart(g, s.Gates[i]); err != nil {
			return err
		}
	}
	return nil
}

func restorePart(part interface{ Restore(json.RawMessage) error }, state json.RawMessage) error {
	if len(state) == 0 || string(state) == "null" {
		return nil
	}
	return part.Restore(state)
}
