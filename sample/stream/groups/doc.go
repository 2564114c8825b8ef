// Package groups puts single rollouts together. Trainers that score one rollout at a time, in
// many processes, see no group as a whole: here it becomes one, and an outcome of the reward
// history.
//
// Its rule: what Add promised with done is in the history, and a row that comes again is known
// again, also after the server that promised was killed. So a client may send what was not
// promised as often as it likes.
//
//	rows ──Add──▶ incomplete groups ──the last rollout, or Flush──▶ one append ──▶ done
//	                 │ in memory only                                   │ shared by all groups
//	                 └ bounded: then no other group begins              └ that wait for it
//
// What it costs: the rows of incomplete groups in memory, and 8 bytes a rollout of the steps
// seen last. A step that the history has outcomes of is read from there once.
package groups
