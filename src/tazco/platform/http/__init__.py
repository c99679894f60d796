"""HTTP made boring: the edge, the gate, a call, its body, its answer, the routes and their documentation."""
