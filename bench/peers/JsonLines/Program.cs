using ManyHands.Bench.JsonLines;

// The contender starts this program again as its children.
return args is ["worker"] ? await Worker.RunAsync() : await new Caller().ServeAsync();
