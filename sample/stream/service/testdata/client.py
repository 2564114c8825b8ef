"""A pyarrow client: reads a part, comes back with its cursor, sends outcomes. Its argument is the server's location."""
import json
import sys

import pyarrow as pa
import pyarrow.flight as flight


def read(client, cursor=None, stop=None):
    ticket = {"plans": ["plan.parquet"], "batch": 8, **({"cursor": cursor} if cursor else {})}
    reader = client.do_get(flight.Ticket(json.dumps(ticket).encode()))
    rows, complete = [], False
    for chunk in reader:
        cursor = chunk.app_metadata.to_pybytes().decode()
        complete = chunk.data.num_rows == 0
        if not complete:
            assert chunk.data.column("cursor")[-1].as_py() == cursor
        rows += chunk.data.to_pylist()
        if stop and len(rows) >= stop:
            reader.cancel()
            break
    return rows, cursor, complete


client = flight.connect(sys.argv[1])
part, cursor, complete = read(client, stop=16)
assert not complete and len(part) == 16
rest, _, complete = read(client, cursor)
rows = part + rest
assert complete and [r["position"] for r in rows] == list(range(40))
assert all(len(r["prompt_tokens"]) == r["prompt_length"] and r["question"] for r in rows)

outcomes = pa.table({
    "run": ["r"] * 2, "step": [0, 0], "position": [0, 1], "phase": [1, 1],
    "sample_id": [r["sample_id"] for r in rows[:2]], "rewards": [[1.0, None], [0.5, 0.0]], "responses": [["a", "b"], None],
})
writer, acknowledgements = client.do_put(flight.FlightDescriptor.for_command(b"outcomes"), outcomes.schema)
writer.write_table(outcomes)
answer = json.loads(acknowledgements.read().to_pybytes())
assert (answer["batch"], answer["added"]) == (0, 2), answer
writer.done_writing()
writer.close()
try:
    list(read(client, cursor.replace('"seed":4', '"seed":5').replace('"plan_id":"', '"plan_id":"0')))
    raise SystemExit("a cursor of another plan was taken")
except pa.ArrowException as e:
    assert "seed 5, and this one has seed 4" in str(e), e
state = json.loads(next(iter(client.do_action(flight.Action("state", b"")))).body.to_pybytes())
assert state["history"]["outcomes"] == 2
