package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/flight"

	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

// An action answers a request with one JSON object.
type action struct {
	name, help string
	do         func(s *Server, ctx context.Context, body []byte) (any, error)
}

var actions = []action{
	{"health", "whether the server answers", (*Server).health},
	{"state", "the dataset, its plans, and the newest snapshot of the reward history", (*Server).state},
	{"counters", "what the server has done since it began", func(s *Server, _ context.Context, _ []byte) (any, error) {
		values := s.counters.values()
		values["clients"] = int64(s.clients.now())
		waiting, bytes := s.groups.Waiting()
		values["groups_waiting"], values["groups_waiting_bytes"] = int64(waiting), bytes
		return values, nil
	}},
	{"resume", "take back the outcomes at or past {run, train_stage, step, position}: their run goes on from there", (*Server).resume},
	{"flush", "write the incomplete groups of {run, train_stage, step}, or of all its steps", (*Server).flush},
	{"plan", "draw {name, config, positions}: a phase's plan, or its next segment, from the reward history as it stands", (*Server).plan},
}

// ListActions lists the actions.
func (s *Server) ListActions(_ *flight.Empty, out flight.FlightService_ListActionsServer) error {
	for _, a := range actions {
		if err := out.Send(&flight.ActionType{Type: a.name, Description: a.help}); err != nil {
			return err
		}
	}
	return nil
}

// DoAction does one of the actions.
func (s *Server) DoAction(req *flight.Action, out flight.FlightService_DoActionServer) error {
	i := slices.IndexFunc(actions, func(a action) bool { return a.name == req.GetType() })
	if i < 0 {
		return badRequest("no action %q", req.GetType())
	}
	result, err := actions[i].do(s, out.Context(), req.GetBody())
	if err != nil {
		return fmt.Errorf("%s: %w", actions[i].name, err)
	}
	body, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return out.Send(&flight.Result{Body: body})
}

func (s *Server) health(context.Context, []byte) (any, error) {
	status := "serving"
	if s.stopping.Err() != nil {
		status = "stopping"
	}
	return map[string]any{"status": status, "dataset_id": s.o.Source.Manifest().ID}, nil
}

// planState is what the server says of a plan.
type planState struct {
	Name      string `json:"name"`
	PlanID    string `json:"plan_id"`
	Phase     int32  `json:"phase"`
	Seed      uint64 `json:"seed"`
	Segments  int    `json:"segments"`
	Positions int64  `json:"positions"`
	Done      bool   `json:"done"`
	Snapshot  string `json:"snapshot"` // that its last segment was drawn from
}

func stateOf(name string, p *curriculum.Plan) planState {
	all := p.Segments()
	return planState{name, p.ID(), p.Config().Phase, p.Config().Seed, len(all), p.Len(), p.Done(), all[len(all)-1].Snapshot}
}

func (s *Server) state(_ context.Context, _ []byte) (any, error) {
	snap, err := s.o.History.Snapshot()
	if err != nil {
		return nil, err
	}
	m := s.o.Source.Manifest()
	plans := []planState{}
	for _, name := range s.planNames() {
		p, err := s.openPlan(name)
		if err != nil {
			return nil, err
		}
		plans = append(plans, stateOf(name, p))
	}
	return map[string]any{
		"dataset_id": m.ID, "tokenizer": m.Tokenizer, "phases": m.Phases, "plans": plans,
		"history": map[string]any{"snapshot": snap.ID(), "outcomes": snap.Rows()},
	}, nil
}

func (s *Server) resume(ctx context.Context, body []byte) (any, error) {
	var c history.Cursor
	if err := strict(body, &c); err != nil {
		return nil, badRequest("%w", err)
	}
	if c.Run == "" {
		return nil, badRequest("the run has no name")
	}
	n, err := s.groups.Resume(ctx, c)
	if err != nil {
		return nil, err
	}
	s.counters.resumed.Add(n)
	s.o.Log.Info("run resumed", "run", c.Run, "train_stage", c.TrainStage, "step", c.Step, "position", c.Position, "superseded", n)
	return map[string]int64{"superseded": n}, nil
}

// flush writes the groups that will get no other rollout.
func (s *Server) flush(ctx context.Context, body []byte) (any, error) {
	var q struct {
		Run        string `json:"run"`
		TrainStage string `json:"train_stage"`
		Step       *int64 `json:"step"`
	}
	if err := strict(body, &q); err != nil {
		return nil, badRequest("%w", err)
	}
	if q.Run == "" {
		return nil, badRequest("the run has no name")
	}
	f, err := s.groups.Flush(ctx, q.Run, q.TrainStage, q.Step)
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("incomplete groups recorded", "run", q.Run, "train_stage", q.TrainStage, "groups", f.Groups, "missing", f.Missing, "snapshot", f.Snapshot)
	return f, nil
}

// planRequest asks for a plan or for more of it.
type planRequest struct {
	Name      string          `json:"name"`      // Example: "phase-2.parquet"
	Config    json.RawMessage `json:"config"`    // of the curriculum; what is left out is its default
	Positions int64           `json:"positions"` // of this segment; 0: all that are left
}

// plan draws a plan, or the next segment of one that is not done. What is asked for again
// after it was drawn as a whole is there already.
func (s *Server) plan(ctx context.Context, body []byte) (any, error) {
	var q planRequest
	if err := strict(body, &q); err != nil {
		return nil, badRequest("%w", err)
	}
	if err := checkName(q.Name); err != nil {
		return nil, err
	}
	if _, fixed := s.o.Plans[q.Name]; fixed {
		return nil, badRequest("plan %q was given to the server as it is", q.Name)
	}
	s.planning.Lock()
	defer s.planning.Unlock()
	file := path.Join(PlansFolder, q.Name)
	p, err := curriculum.Open(s.o.FS, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		p = nil
	}
	config, err := q.config(p)
	if err != nil {
		return nil, err
	}
	if p == nil || !p.Done() {
		if err := s.draw(ctx, file, p, config, q.Positions); err != nil {
			return nil, err
		}
		if p, err = curriculum.Open(s.o.FS, file); err != nil {
			return nil, err
		}
	}
	return stateOf(q.Name, p), nil
}

// config returns what to plan with; a plan that is there already must have been made with the
// same.
func (q *planRequest) config(p *curriculum.Plan) (c curriculum.Config, err error) {
	if p != nil && len(q.Config) == 0 {
		return p.Config(), nil
	}
	c = curriculum.DefaultConfig(1)
	if len(q.Config) > 0 {
		if err := strict(q.Config, &c); err != nil {
			return c, badRequest("config: %w", err)
		}
	}
	if err := c.Validate(); err != nil {
		return c, badRequest("config: %w", err)
	}
	if p != nil {
		want, _ := json.Marshal(p.Config())
		if got, _ := json.Marshal(c); string(got) != string(want) {
			return c, badRequest("plan %q was drawn with another config: %s", q.Name, want)
		}
	}
	return c, nil
}

// draw writes the next segment of a plan; p is nil for the first.
func (s *Server) draw(ctx context.Context, file string, p *curriculum.Plan, c curriculum.Config, positions int64) error {
	table, err := curriculum.ReadTable(ctx, s.o.FS, s.o.Source.Manifest(), c.Phase)
	if err != nil {
		return badRequest("%w", err)
	}
	snap, err := s.o.History.Snapshot()
	if err != nil {
		return err
	}
	known, err := curriculum.Learn(ctx, snap, table, c)
	if err != nil {
		return err
	}
	var planner *curriculum.Planner
	if p == nil {
		planner, err = curriculum.New(table, c)
	} else {
		planner, err = curriculum.Resume(table, p)
	}
	if err != nil {
		return err
	}
	if err := planner.Follow(ctx, snap); err != nil {
		return err
	}
	segment, err := planner.Next(ctx, known, positions)
	if err != nil {
		return badRequest("%w", err)
	}
	if err := segment.Write(s.o.FS, file); err != nil {
		return err
	}
	s.counters.plans.Add(1)
	s.drawn.send()
	s.o.Log.Info("plan drawn", "file", file, "plan", segment.Header.PlanID, "segment", segment.Header.Segment, "positions", segment.Len(), "snapshot", segment.Header.Snapshot)
	return nil
}
