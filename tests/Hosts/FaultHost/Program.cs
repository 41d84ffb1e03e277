// Runs scenarios of process pools, with a fault on order, for the sweep in tests/ManyHands.Tests/Faults: a command a line on standard input, an answer a line
// on standard output. It is a program of its own because its faults may kill or stop it.
#if DEBUG
return await ManyHands.Tests.Faults.FaultHost.RunAsync(args);
#else
Console.Error.WriteLine("Fault points are in debug builds only: build with -c Debug.");
return 2;
#endif
