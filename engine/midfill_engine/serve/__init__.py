"""HTTP: routes, access, dialects. The only place that knows starlette."""
