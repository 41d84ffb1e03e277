using System.Reflection;

// The first managed code of a child process. The host application's deps file resolves ManyHands; everything else is there.
// The parent says which of its methods to call, by token: to find it by name would be the only code so far that must be compiled, and half as long again as all before it.
Assembly library = Assembly.Load(new AssemblyName { Name = "ManyHands" });
MethodInfo entry = (args.Length > 0 ? ByToken(args[0]) : null)
    ?? library.GetType("ManyHands.Workers.WorkerEntry", throwOnError: true)!.GetMethod("Run", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!;
return entry.CreateDelegate<Func<string[], int>>()(args);

// Null if the parent loaded another build of the library than lies there now.
MethodInfo? ByToken(string digits)
{
    int token = 0;
    foreach (char digit in digits)
    {
        // Behind them stands the library's build, which it looks at itself.
        if (digit is < '0' or > '9')
            break;
        token = (token * 10) + (digit - '0');
    }

    try
    {
        return library.ManifestModule.ResolveMethod(token) is MethodInfo { Name: "Run", DeclaringType.Name: "WorkerEntry" } method ? method : null;
    }
    catch (ArgumentException)
    {
        return null;
    }
}
