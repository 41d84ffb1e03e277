using ManyHands.Bench.JsonRpcQueue;

// The contender starts this program again as its server.
return args is ["server"] ? await QueueServer.RunAsync() : await new QueueClient().ServeAsync();
