package service_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/longctx/pipeline/sample/history"
	"github.com/longctx/pipeline/sample/stream/service"
	"github.com/longctx/pipeline/sample/stream/streamtest"
)

type ticket = map[string]any

var small = streamtest.Spec{Phases: []int{40, 20}}

// upTo returns the positions from one to another.
func upTo(from, to int64) (out []int64) {
	for ; from < to; from++ {
		out = append(out, from)
	}
	return out
}

func wantCode(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("%v; want %v, %q", err, code, text)
	}
}

func TestATicketCarriesEverything(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	part, err := get(t.Context(), c, ticket{"plans": []string{"plan.parquet"}, "batch": 8}, 2)
	if err != nil || !slices.Equal(part.positions, upTo(0, 16)) {
		t.Fatalf("%v, %v", part, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.serve(t, service.Options{}) // another server, that knows nothing
	rest, err := get(t.Context(), r.client(t), ticket{"plans": []string{"plan.parquet"}, "batch": 5, "cursor": part.cursor}, -1)
	if err != nil || !rest.complete || !slices.Equal(rest.positions, upTo(16, 40)) {
		t.Fatalf("%v, %v", rest, err)
	}
	info, err := r.client(t).GetFlightInfo(t.Context(), &flight.FlightDescriptor{Type: flight.DescriptorCMD, Cmd: []byte(`{"plans":["plan.parquet"],"batch":5}`)})
	if err != nil || len(info.GetEndpoint()) != 1 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestWhatATicketMayNotSayIsRefusedWithItsReason(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	plans := []string{"plan.parquet"}
	for _, test := range []struct {
		ticket ticket
		code   codes.Code
		want   string
	}{
		{ticket{"plans": plans}, codes.InvalidArgument, "a batch is a number of positions or of tokens"},
		{ticket{"plans": plans, "batch": 8, "seed": 3}, codes.InvalidArgument, `unknown field "seed"`},
		{ticket{"plans": plans, "batch": 8, "rank": 1}, codes.InvalidArgument, "rank 1 is not one of 1"},
		{ticket{"plans": []string{"other.parquet"}, "batch": 8}, codes.NotFound, `the server has ["plan.parquet"]`},
		{ticket{"plans": []string{"../plans/plan.parquet"}, "batch": 8}, codes.InvalidArgument, "is not a name"},
		{ticket{"plans": plans, "batch": 8, "cursor": `{"version":1,"dataset_id":"x"}`}, codes.FailedPrecondition, "it is of dataset x"},
	} {
		_, err := get(t.Context(), c, test.ticket, -1)
		wantCode(t, err, test.code, test.want)
	}
}

// group is one outcome as JSON.
func (r *running) group(step, position int64, rewards string) string {
	for entries := range r.plan.Entries(position) {
		return fmt.Sprintf(`{"run":"r","train_stage":"phase-1","phase":1,"step":%d,"position":%d,"sample_id":%q,"rewards":%s,"stop_reasons":["stop","length"]}`, step, position, entries[0].SampleID, rewards)
	}
	panic("no such position")
}

func (r *running) recorded(t *testing.T) []history.Outcome {
	t.Helper()
	snap, err := history.Read(r.fsys)
	if err != nil {
		t.Fatal(err)
	}
	var out []history.Outcome
	for o, err := range snap.Outcomes(t.Context(), history.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, *o)
	}
	return out
}

func TestOutcomesAreInTheHistoryBeforeTheyAreAcknowledged(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	one := outcomesJSON(t, r.group(0, 0, "[1, null]"), r.group(0, 1, "[0.25, 0]"))
	acks, err := put(t.Context(), c, one, one, outcomesJSON(t, r.group(1, 2, "[1, 1]")))
	if err != nil || len(acks) != 3 || acks[0].Added != 2 || acks[1].Same != 2 || acks[2].Added != 1 || acks[2].Batch != 2 {
		t.Fatalf("%+v, %v", acks, err)
	}
	crashed := r.fsys.AfterCrash() // only what was synced
	snap, err := history.Read(crashed)
	if err != nil || snap.ID() != acks[2].Snapshot {
		t.Fatalf("after a crash: %v, %v; acknowledged %s", snap.ID(), err, acks[2].Snapshot)
	}
	o := r.recorded(t)[0]
	if o.Phase != 1 || o.Rollouts[1].Reward.Known || o.Rollouts[1].StopReason != "length" || o.Rollouts[0].ResponseLength != history.UnknownLength || o.Limits.Temperature.Known {
		t.Errorf("%+v", o)
	}

	_, err = put(t.Context(), c, outcomesJSON(t, r.group(0, 0, "[0, 0]")))
	wantCode(t, err, codes.AlreadyExists, "another outcome has this identity")
	_, err = put(t.Context(), c, outcomesJSON(t, r.group(5, 0, "[3, 0]")))
	wantCode(t, err, codes.InvalidArgument, "reward 3 is outside [0, 1]")
	if n := len(r.recorded(t)); n != 3 {
		t.Errorf("%d outcomes", n)
	}
}

func TestOutcomesOfARunThatGoesOnEarlierAreSuperseded(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	if _, err := put(t.Context(), c, outcomesJSON(t, r.group(0, 0, "[1, 0]"), r.group(1, 1, "[1, 0]"))); err != nil {
		t.Fatal(err)
	}
	var answer struct{ Superseded int64 }
	if err := act(t.Context(), c, "resume", history.Cursor{Run: "r", TrainStage: "phase-1", Step: 1}, &answer); err != nil || answer.Superseded != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	if _, err := put(t.Context(), c, outcomesJSON(t, r.group(1, 1, "[0, 0]"))); err != nil {
		t.Fatal(err)
	}
	if n := len(r.recorded(t)); n != 2 {
		t.Errorf("%d outcomes", n)
	}
}

func TestOutcomesWithColumnsThatAreNotTheirsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	text := func(fields ...string) arrow.Record {
		var f []arrow.Field
		for _, name := range fields {
			f = append(f, arrow.Field{Name: name, Type: arrow.BinaryTypes.String})
		}
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(f, nil))
		for i := range fields {
			b.Field(i).(*array.StringBuilder).Append("x")
		}
		return b.NewRecord()
	}
	for want, rec := range map[string]arrow.Record{
		`no column "reward"`:           text("reward"),
		`column "run" is there twice`:  text("run", "run"),
		`outcomes lack the column`:     text("run"),
		`step is utf8, not an integer`: text("run", "step", "sample_id", "rewards"),
	} {
		_, err := put(t.Context(), c, rec)
		wantCode(t, err, codes.InvalidArgument, want)
	}
}

func TestTheNextPhaseIsDrawnFromTheHistoryAsItStands(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	var lines []string
	for p := range int64(40) {
		lines = append(lines, r.group(p/8, p, []string{"[0, 0]", "[1, 0]"}[p%2]))
	}
	acks, err := put(t.Context(), c, outcomesJSON(t, lines...))
	if err != nil {
		t.Fatal(err)
	}
	request := ticket{"name": "phase-2.parquet", "config": ticket{"phase": 2, "seed": 9, "retrospective": "zero_mean"}, "positions": 15}
	var plan struct {
		Segments, Positions int64
		Done                bool
		Snapshot            string
	}
	if err := act(t.Context(), c, "plan", request, &plan); err != nil || plan.Done || plan.Positions != 15 || plan.Snapshot != acks[0].Snapshot {
		t.Fatalf("%+v, %v", plan, err)
	}
	delete(request, "positions")
	for range 2 { // the rest; then it is there already
		if err := act(t.Context(), c, "plan", request, &plan); err != nil || !plan.Done || plan.Positions != 40 || plan.Segments != 2 {
			t.Fatalf("%+v, %v", plan, err)
		}
	}
	all, err := get(t.Context(), c, ticket{"plans": []string{"plan.parquet", "phase-2.parquet"}, "batch": 16}, -1)
	if err != nil || !all.complete || len(all.positions) != 80 {
		t.Fatalf("%d positions, %v", len(all.positions), err)
	}
	request["config"] = ticket{"phase": 2, "seed": 10}
	wantCode(t, act(t.Context(), c, "plan", request, &plan), codes.InvalidArgument, "was drawn with another config")
	wantCode(t, act(t.Context(), c, "plan", ticket{"name": "../x.parquet"}, &plan), codes.InvalidArgument, "is not a name")
	var state struct {
		Plans []struct {
			Name  string
			Phase int32
		}
	}
	if err := act(t.Context(), c, "state", nil, &state); err != nil || len(state.Plans) != 2 || state.Plans[0].Phase != 2 {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestATokenIsAskedOfEveryCall(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{Token: "secret"})
	c := r.client(t)
	var out map[string]any
	for _, header := range []string{"", "Bearer", "Bearer ", "bearer wrong", "secret", "Basic secret", "Bearer secret2"} {
		ctx := t.Context()
		if header != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", header)
		}
		wantCode(t, act(ctx, c, "health", nil, &out), codes.Unauthenticated, "token")
		_, err := get(ctx, c, ticket{"plans": []string{"plan.parquet"}, "batch": 8}, -1)
		wantCode(t, err, codes.Unauthenticated, "token")
		_, err = c.GetFlightInfo(ctx, &flight.FlightDescriptor{})
		wantCode(t, err, codes.Unauthenticated, "token")
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer secret")
	if err := act(ctx, c, "health", nil, &out); err != nil || out["status"] != "serving" {
		t.Errorf("%v, %v", out, err)
	}
}

func TestOtherMachinesAreServedOnlyWithTokenAndTLS(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	_ = r
	for _, o := range []service.Options{{}, {Token: "secret"}, {TLS: new(tls.Config)}} {
		lis, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := service.New(o).Serve(t.Context(), lis); !errors.Is(err, service.ErrUnsafe) {
			t.Errorf("%v", err)
		}
		if _, err := lis.Accept(); err == nil {
			t.Error("the listener is open")
		}
	}
}

func TestClientsOverTheLimitAreRefusedAndActionsAreNot(t *testing.T) {
	t.Parallel()
	r := start(t, streamtest.Spec{Phases: []int{1200}, Longest: 2000}, service.Options{MaxClients: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body := []byte(`{"plans":["plan.parquet"],"batch":1}`)
	c := r.client(t)
	for range 2 { // they take nothing and go on existing
		in, err := c.DoGet(ctx, &flight.Ticket{Ticket: body})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := get(t.Context(), c, ticket{"plans": []string{"plan.parquet"}, "batch": 8}, -1)
	wantCode(t, err, codes.ResourceExhausted, "2 clients are served already")
	var out map[string]int64
	if err := act(t.Context(), c, "counters", nil, &out); err != nil || out["clients"] != 2 {
		t.Errorf("%v, %v", out, err)
	}
	cancel() // both vanish, and their places are free again
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err = get(t.Context(), c, ticket{"plans": []string{"plan.parquet"}, "batch": 8}, 1); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestAMessageOverTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{MaxMessage: 1 << 16})
	line := strings.Replace(r.group(0, 0, "[1, 0]"), `"run":"r"`, `"run":"`+strings.Repeat("r", 1<<17)+`"`, 1)
	_, err := put(t.Context(), r.client(t), outcomesJSON(t, line))
	wantCode(t, err, codes.ResourceExhausted, "larger than max")
}

func TestManyClientsAtOnceSomeOfThemSlowOrGone(t *testing.T) {
	t.Parallel()
	r := start(t, streamtest.Spec{Phases: []int{600}, Longest: 500}, service.Options{MaxClients: 80})
	var wg sync.WaitGroup
	for i := range 64 {
		c := r.client(t)
		wg.Go(func() {
			switch i % 8 {
			case 0: // reads one batch and vanishes
				if _, err := get(t.Context(), c, ticket{"plans": []string{"plan.parquet"}, "batch": 8}, 1); err != nil {
					t.Error(err)
				}
				c.Close()
			case 1: // begins and reads no more until all others are done
				in, err := c.DoGet(t.Context(), &flight.Ticket{Ticket: []byte(`{"plans":["plan.parquet"],"batch":1}`)})
				if err == nil {
					_, err = in.Recv()
				}
				if err != nil {
					t.Error(err)
				}
			default:
				rank := i % 3
				g, err := get(t.Context(), c, ticket{"plans": []string{"plan.parquet"}, "batch": 30, "ranks": 3, "rank": rank}, -1)
				if err != nil || !g.complete || len(g.positions) != 200 || g.positions[1] != int64(rank+3) {
					t.Errorf("client %d: %d positions, complete %v: %v", i, len(g.positions), g.complete, err)
				}
				acks, err := put(t.Context(), c, outcomesJSON(t, r.group(int64(i), int64(i), "[1, 0]")))
				if err != nil || len(acks) != 1 {
					t.Errorf("client %d: %v, %v", i, acks, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(r.recorded(t)); n != 48 {
		t.Errorf("%d outcomes", n)
	}
}

func TestAServerThatStopsLetsItsClientsGoOnLater(t *testing.T) {
	t.Parallel()
	r := start(t, streamtest.Spec{Phases: []int{1000}, Longest: 2000}, service.Options{Grace: 200 * time.Millisecond})
	in, err := r.client(t).DoGet(t.Context(), &flight.Ticket{Ticket: []byte(`{"plans":["plan.parquet"],"batch":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	rd, err := flight.NewRecordReader(in)
	if err != nil || !rd.Next() {
		t.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- r.stop() }()
	cursor, taken := string(rd.LatestAppMetadata()), int64(1)
	for rd.Next() {
		cursor, taken = string(rd.LatestAppMetadata()), taken+rd.Record().NumRows()
	}
	if code := status.Code(rd.Err()); code != codes.Unavailable && code != codes.Canceled {
		t.Fatalf("%v after %d positions", rd.Err(), taken)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	r.serve(t, service.Options{})
	rest, err := get(t.Context(), r.client(t), ticket{"plans": []string{"plan.parquet"}, "batch": 64, "cursor": cursor}, -1)
	if err != nil || !slices.Equal(rest.positions, upTo(taken, 1000)) {
		t.Fatalf("%d positions after %d: %v", len(rest.positions), taken, err)
	}
}

func TestAStreamMayWaitForTheNextSegmentOfItsPlan(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	draw := func() {
		t.Helper()
		var plan struct{}
		request := ticket{"name": "grows.parquet", "config": ticket{"phase": 1, "seed": 9}, "positions": 10}
		if err := act(t.Context(), c, "plan", request, &plan); err != nil {
			t.Error(err)
		}
	}
	draw()
	wait := ticket{"plans": []string{"grows.parquet"}, "batch": 5, "wait_seconds": 3000}
	in, err := c.DoGet(t.Context(), &flight.Ticket{Ticket: []byte(`{"plans":["grows.parquet"],"batch":5,"wait_seconds":3000}`)})
	if err != nil {
		t.Fatal(err)
	}
	rd, err := flight.NewRecordReader(in)
	if err != nil {
		t.Fatal(err)
	}
	if rd.Schema().Metadata().FindKey("pipeline.positions") >= 0 {
		t.Error("the stream says how long it will be")
	}
	var got []int64
	for rd.Next() {
		if got = append(got, rd.Record().Column(0).(*array.Int64).Int64Values()...); len(got)%10 == 0 && len(got) < 40 {
			go draw()
		}
	}
	if err := rd.Err(); err != nil && !errors.Is(err, io.EOF) || !slices.Equal(got, upTo(0, 40)) {
		t.Fatalf("%v: %d", err, got)
	}
	wait["wait_seconds"] = 3601
	_, err = get(t.Context(), c, wait, -1)
	wantCode(t, err, codes.InvalidArgument, "wait_seconds 3601 is not one of 0 to 3600")
}

func TestAStreamThatWaitsEndsWhenTheServerStops(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	c := r.client(t)
	var plan struct{}
	if err := act(t.Context(), c, "plan", ticket{"name": "grows.parquet", "config": ticket{"phase": 1, "seed": 9}, "positions": 10}, &plan); err != nil {
		t.Fatal(err)
	}
	in, err := c.DoGet(t.Context(), &flight.Ticket{Ticket: []byte(`{"plans":["grows.parquet"],"batch":10,"wait_seconds":3000}`)})
	if err != nil {
		t.Fatal(err)
	}
	rd, err := flight.NewRecordReader(in)
	if err != nil || !rd.Next() {
		t.Fatal(err)
	}
	stopped := make(chan error)
	go func() { stopped <- r.stop() }()
	if rd.Next() {
		t.Error("more came")
	}
	if code := status.Code(rd.Err()); code != codes.Unavailable && code != codes.Canceled {
		t.Error(rd.Err())
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}
