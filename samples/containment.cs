#:project ../src/ManyHands/ManyHands.csproj
#:property AllowUnsafeBlocks=true

// Four accidents that would end a program, and what they cost in a pool of processes. Run it with: dotnet run samples/containment.cs

using System.Runtime.InteropServices;
using ManyHands;

await using Pool pool = Pool.Processes(2, new ProcessPoolOptions
{
    MaxWorkerMemory = 256L * 1024 * 1024,
    Output = static _ => { },
});

// Native code that writes where it mustn't ends its process, and nothing else.
await Try("a wild pointer", () => pool.RunAsync(Accidents.WriteToNowhere));

// A loop without end is ended at its time, with its process.
await Try("an endless loop", () => pool.RunAsync(Accidents.LoopForEver, new CallOptions { Timeout = TimeSpan.FromSeconds(1) }));

// Memory that is never given back ends at the limit.
await Try("a leak without end", () => pool.RunAsync(Accidents.LeakForEver));

// What may run twice can be tried again.
string firstTry = Path.GetTempFileName();
await Try("a crash the first time", () => pool.RunAsync(Accidents.CrashOnce, firstTry, new CallOptions { Retries = 1 }));

Console.WriteLine($"And the pool still counts: {await pool.RunAsync(static () => 6 * 7)}.");
Console.WriteLine($"{pool.Statistics.WorkersLost} workers were lost, {pool.Statistics.CompletedCalls} calls completed.");

static async Task Try(string what, Func<Task> call)
{
    try
    {
        await call();
        Console.WriteLine($"{what}: fine.");
    }
    catch (WorkerCrashedException crash)
    {
        Console.WriteLine($"{what}: signal {crash.Signal}{(crash.Exit.Reason is { } reason ? $", because {reason}" : "")}.");
    }
    catch (CallTimeoutException late)
    {
        Console.WriteLine($"{what}: ended after {late.Limit.TotalSeconds} s.");
    }
}

internal static class Accidents
{
    public static unsafe void WriteToNowhere() => *(int*)0x10dead000 = 1;

    public static void LoopForEver()
    {
        while (true)
        {
        }
    }

    public static unsafe void LeakForEver()
    {
        while (true)
            new Span<byte>(NativeMemory.Alloc(4 * 1024 * 1024), 4 * 1024 * 1024).Fill(1);
    }

    public static void CrashOnce(string firstTry)
    {
        if (!File.Exists(firstTry))
            return;
        File.Delete(firstTry);
        Environment.FailFast("the first time");
    }
}
