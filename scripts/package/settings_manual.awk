# Makes authlinkd.conf(5) from its template and from conf/authlinkd.conf, so that the two cannot tell different things: the
# comment before a setting is its text in the manual.
#   awk -f settings_manual.awk conf/authlinkd.conf conf/authlinkd.conf.5.in
#
# A group is `name = {`, a setting `name = value;`, at its default behind `//`. What stands before the first group is
# about the file; what stands right before a group is about the group.
function emit(line) { settings = settings line "\n" }

function shown(text) {
  gsub(/\\/, "\\e", text)
  gsub(/"/, "\\(dq", text)
  gsub(/'/, "\\(aq", text)
  gsub(/-/, "\\-", text)
  sub(/^[.]/, "\\\&.", text)
  return text
}

# A sentence a line, as mdoc wants it; the end of one is a full stop before a blank and a capital.
function tell(text, rest, at) {
  rest = text
  while (match(rest, /[.] [A-Z]/)) {
    emit(shown(substr(rest, 1, RSTART)))
    rest = substr(rest, RSTART + 2)
  }
  if (rest != "") emit(shown(rest))
}

BEGIN { is_header = 1 }

FNR != NR {
  if ($0 == "@SETTINGS@") printf "%s", settings
  else print
  next
}

/^[a-z_]+ = \{/ {
  is_header = 0
  group = $1
  emit(".Ss " group)
  tell(text)
  emit(".Bl -tag -width Ds")
  text = ""
  next
}
/^\};/ { emit(".El"); group = ""; text = ""; next }

/^ *(\/\/ )?[a-z_]+ = .*;$/ && !is_header {
  line = $0
  sub(/^ *(\/\/ )?/, "", line)
  name = line
  sub(/ = .*/, "", name)
  if (group == "") emit(".Ss Outside of groups\n.Bl -tag -width Ds")
  emit(".It Va " (group == "" ? "" : group ".") shown(name))
  tell(text)
  if (group == "") emit(".El")
  text = ""
  next
}

/^ *\/\// {
  line = $0
  sub(/^ *\/\/ ?/, "", line)
  text = text (text == "" ? "" : " ") line
  next
}
/^ *$/ { text = "" }
