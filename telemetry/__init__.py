"""How a stage lets itself be watched: /metrics for Prometheus, /healthz for whoever starts it again."""
