-- step flags= needs=
return 1
