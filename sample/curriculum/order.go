package curriculum

// interleave merges two queues so that each is spread evenly over the epoch, of which
// drawnOwn and drawnEarlier are already done: at every position the retrospective share is
// what it is in the whole epoch, up to one sample.
func interleave(own, earlier []int32, drawnOwn, drawnEarlier int64) []int32 {
	total := drawnOwn + drawnEarlier + int64(len(own)+len(earlier))
	retrospective := drawnEarlier + int64(len(earlier))
	order := make([]int32, 0, len(own)+len(earlier))
	taken := drawnEarlier
	for at := drawnOwn + drawnEarlier; at < total; at++ {
		// The k-th of R among T stands where the k-th of R equal stretches of T has its middle.
		due := len(earlier) > 0 && (2*taken+1)*total <= (2*at+1)*retrospective
		if len(own) == 0 || due {
			order, earlier = append(order, earlier[0]), earlier[1:]
			taken++
			continue
		}
		order, own = append(order, own[0]), own[1:]
	}
	return order
}

// balance gives every batch the same number of samples of each task, as long as each lasts
// (QwenLong-L1.5, arXiv 2512.12967): tasks take turns in each batch, and the one that begins
// moves on from batch to batch. The end of an epoch has only the larger tasks left.
func (p *Planner) balance(order []int32, from int64) []int32 {
	tasks := len(p.table.Tasks)
	queues := make([][]int32, tasks)
	for _, i := range order {
		t := p.table.Samples[p.pool[i].sample].Task
		queues[t] = append(queues[t], i)
	}
	out := make([]int32, 0, len(order))
	turn := 0
	for len(out) < len(order) {
		if (from+int64(len(out)))%int64(p.config.Batch) == 0 {
			turn = int((from + int64(len(out))) / int64(p.config.Batch) % int64(tasks))
		}
		for len(queues[turn]) == 0 {
			turn = (turn + 1) % tasks
		}
		out = append(out, queues[turn][0])
		queues[turn] = queues[turn][1:]
		turn = (turn + 1) % tasks
	}
	return out
}
