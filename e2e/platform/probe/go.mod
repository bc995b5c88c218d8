module livingtwin.io/platform/probe

go 1.25.0
