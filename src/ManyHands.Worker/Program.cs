using System.Reflection;

// The first managed code of a child process. The host application's deps file resolves ManyHands; everything else is there.
Type entry = Assembly.Load("ManyHands").GetType("ManyHands.Workers.WorkerEntry", throwOnError: true)!;
return entry.GetMethod("Run", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!.CreateDelegate<Func<string[], int>>()(args);
