"""The plot, drawn by gnuplot from the JSON."""

import subprocess

HEAD = """set terminal svg size 1000,640 font 'sans-serif,13' background '#ffffff' name 'bench'
set encoding utf8
set output '%(path)s'
set multiplot layout 2,2 spacing screen 0.04
set border 3 lc rgb '#555555'
set tics nomirror
set grid y lc rgb '#dddddd'
set key off
"""

BARS = """set title 'jobs a second, one process, API answering at once'
set boxwidth 0.6
set style fill solid
set yrange [0:*]
set offsets 0, 0, graph 0.1, 0
set xtics font ',9'
set xrange [-0.6:%(last)s]
$speed << EOD
%(rows)s
EOD
plot $speed using 0:2:($0 == 0 ? 0x1b6ca8 : 0x9a9a9a):xtic(1) with boxes lc rgb variable, \\
     $speed using 0:2:(sprintf('%%.0f', $2)) with labels offset 0,0.6
set xrange [*:*]
set offsets 0, 0, 0, 0
set xtics font ',13'
"""

LINES = """set title '%(title)s'
set xlabel '%(xlabel)s'
set logscale x %(base)s
set format x '%(format)s'
set yrange [0:*]
$%(name)s << EOD
%(rows)s
EOD
plot $%(name)s using 1:2 with linespoints lw 2 pt 7 ps 0.7 lc rgb '#1b6ca8'
unset logscale x
set format x '%%g'
unset xlabel
"""

PANELS = (
    ("fleet", "instances", "redisUs", "Redis CPU a job, us, by instances on one Redis", "instances", 2, "%g"),
    ("queue", "queue", "cpuUs", "CPU of the daemon a job, us, by length of the queue", "jobs in the queue", 10, "%.0s%c"),
    ("in_flight", "inFlight", "jobsPerSec", "jobs a second, by requests in flight", "requests in flight", 2, "%g"),
)


def speed_panel(data):
    rows = [("authlinkd", data["figures"]["jobs_per_sec"]["value"])]
    rows += [(peer["words"].replace(", ", "\\n"), peer["jobs_per_sec"]) for peer in data["peers"].values()]
    return BARS % {"last": len(rows) - 0.4, "rows": "\n".join(f'"{words}" {value:.1f}' for words, value in rows)}


def line_panel(data, name, x, y, title, xlabel, base, form):
    rows = "\n".join(f"{row[x]} {row[y]:.3f}" for row in data["series"][name])
    return LINES % {"name": name, "title": title, "xlabel": xlabel, "base": base, "format": form, "rows": rows}


def script(data, path):
    parts = [HEAD % {"path": path}]
    if "jobs_per_sec" in data["figures"]:
        parts.append(speed_panel(data))
    parts += [line_panel(data, *panel) for panel in PANELS if panel[0] in data["series"]]
    return "".join(parts) + "unset multiplot\n"


def draw(data, path):
    subprocess.run(["gnuplot"], input=script(data, path), text=True, check=True)
