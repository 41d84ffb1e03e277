using ManyHands.Bench.JsonRpc;

// The contender starts this program again as its children.
return args is ["worker"] ? await Worker.RunAsync() : await new Caller().ServeAsync();
