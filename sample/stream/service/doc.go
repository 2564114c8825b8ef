// Package service serves streams to other processes over Arrow Flight, and takes outcomes back.
// FORMAT.md, one folder up, describes tickets, outcomes and actions.
//
// Its rule: a ticket carries everything, so that the server remembers nothing of its clients;
// and an outcome is in the reward history before it is acknowledged. Whatever dies, a client
// that comes back with its cursor goes on exactly there.
//
//	DoGet     ticket ──▶ batches, each with the cursor after it
//	DoPut     outcomes ──▶ reward history ──▶ acknowledgement
//	          rollouts ──▶ groups ──▶ reward history ──▶ acknowledgement
//	DoAction  health, state, counters, resume, flush, plan
//
// What it costs: the bytes of batches in flight, which all clients share evenly, those of
// incomplete groups, and what gRPC holds of one message each.
package service
