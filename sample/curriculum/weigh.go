package curriculum

import (
	"math"
	"runtime"
	"sync"

	"github.com/longctx/pipeline/sample/estimate"
	"github.com/longctx/pipeline/sample/history"
)

// weigh fills the pool with the samples of this epoch that are not drawn yet: what is known
// of each, and what gates and strategy say. The samples are done side by side, and each is a
// function of itself alone.
func (p *Planner) weigh(k *Knowledge, r Random) {
	p.pool = make([]pooled, 0, len(p.table.Samples))
	for i := range p.table.Samples {
		s := &p.table.Samples[i]
		if p.drawn[i] || s.Phase > p.config.Phase || s.Phase < p.config.Phase && p.mix.retrospective == nil {
			continue
		}
		p.pool = append(p.pool, pooled{sample: int32(i)})
	}
	const chunk = 4096
	workers := runtime.GOMAXPROCS(0)
	chunks := make(chan []pooled, workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			c, found := new(Candidate), make([]*history.Summary, chunk)
			for part := range chunks {
				// The table of summaries misses the cache: a loop with nothing else in it lets
				// the processor wait for many at once.
				known := found[:len(part)]
				for i := range part {
					known[i] = k.find(p.table.Samples[part[i].sample].ID)
				}
				for i := range part {
					p.weighOne(&part[i], c, known[i], k, r)
				}
			}
		})
	}
	for from := 0; from < len(p.pool); from += chunk {
		chunks <- p.pool[from:min(from+chunk, len(p.pool))]
	}
	close(chunks)
	wg.Wait()
}

func (p *Planner) weighOne(out *pooled, c *Candidate, known *history.Summary, k *Knowledge, r Random) {
	*c = k.candidate(&p.table.Samples[out.sample], known)
	out.estimate, out.lower, out.upper, out.known = k.estimate(c)
	wrong, right := estimate.ZeroVariance(c.Belief.Alpha, c.Belief.Beta, p.config.GroupSize)
	out.allWrong, out.allRight = float32(wrong), float32(right)
	if c.Known != nil {
		out.rollouts = c.Known.Known
	}
	for i, g := range p.mix.gates {
		if why := g.Admit(c, r); why != ReasonNone {
			out.refuser, out.reason = uint8(i+1), why
			return
		}
	}
	strategy, refuser := p.mix.own, uint8(refuserOwn)
	if c.Sample.Phase < p.config.Phase {
		strategy, refuser = p.mix.retrospective, refuserStrategy
	}
	choice := strategy.Choose(c, r)
	out.weight, out.key, out.reason = choice.Weight, choice.Key, choice.Reason
	if !(choice.Weight > 0) || math.IsNaN(choice.Key) {
		out.weight, out.refuser = 0, refuser
	}
}
