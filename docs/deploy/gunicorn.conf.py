"""How gunicorn serves: https://gunicorn.org/reference/settings/.

It reads this file where it is started: ``gunicorn --paste production.ini``.
"""

bind = "127.0.0.1:8000"

# Processes: about as many as processors. Threads: the requests that a process serves at once.
worker_class = "gthread"
workers = 2
threads = 8

# A process that does not answer for that long is killed.
timeout = 60
# After SIGTERM or SIGHUP, the time that requests under way have to finish.
graceful_timeout = 30

# The address of the proxy, whose `X-Forwarded-Proto` is believed. Anybody else could write it too.
forwarded_allow_ips = "127.0.0.1"

# Filters and pagination tokens make long URLs; the default is 4094 bytes.
limit_request_line = 8190

# Commands to the running server, which nobody needs here (gunicorn 25 and later).
control_socket_disable = True
