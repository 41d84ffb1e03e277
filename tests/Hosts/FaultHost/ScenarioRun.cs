using System.Diagnostics;
using ManyHands.Platform;

namespace ManyHands.Tests.Faults;

/// <summary>How a call ended for its caller.</summary>
internal enum Outcome
{
    Result,
    Crashed,
    TimedOut,
    Canceled,

    /// <summary>A result that is not the function's, or an exception that nobody has promised.</summary>
    Wrong,

    /// <summary>No outcome within the bound.</summary>
    None,
}

/// <summary>A call of a scenario: what should become of it, and what did.</summary>
internal sealed record TrackedCall(int Number, Outcome Expected, Outcome Outcome, string Detail);

/// <summary>One run of a scenario: its pool, its ledger, and its calls with their outcomes.</summary>
internal sealed class ScenarioRun(FaultTransportOptions transport, string ledger)
{
    /// <summary>No outcome may take longer, whatever the fault: all the library's own bounds that a scenario can meet lie well below.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(7);

    private readonly List<Task<TrackedCall>> calls = [];
    private readonly List<string> violations = [];
    private Pool? pool;

    public string Ledger => ledger;

    public FaultTransportOptions Transport => transport;

    /// <summary>The pool that many runs share; only for scenarios that say so.</summary>
    public Pool Pool
    {
        get => pool ?? throw new InvalidOperationException("This scenario makes its own pool.");
        init => pool = value;
    }

    public IReadOnlyList<string> Violations => violations;

    public void Violate(string what)
    {
        lock (violations)
            violations.Add(what);
    }

    /// <summary>Takes down what becomes of a call.</summary>
    public void Track<T>(int number, Task<T> call, Func<T, bool> isRight, Outcome expected = Outcome.Result) =>
        calls.Add(Watch(number, call, isRight, expected));

    public Task<TrackedCall[]> AllOutcomes() => Task.WhenAll(calls);

    /// <summary>Waits until the call's function runs, or the call has ended.</summary>
    public async Task UntilRuns(int number, Task call)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!call.IsCompleted && Faults.Ledger.Runs(ledger, number) == 0 && FairClock.Since(startedAt) < Bound)
            await Task.Delay(2);
    }

    /// <summary>Whether a process has come by the step since the run began.</summary>
    public static bool HasReached(FaultSides side, FaultStep step) => FaultPoint.Orders!.IsNoted(side, step);

    /// <summary>Waits for what a scenario needs to come by its steps. Where a fault has put paid to that, the run goes on without it.</summary>
    /// <returns>Whether it has come to be.</returns>
    public static async Task<bool> Until(Func<bool> condition)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (FairClock.Since(startedAt) > Bound / 2)
                return false;
            await Task.Delay(2);
        }

        return true;
    }

    /// <summary>Waits until the pool counts whichever worker ran the call's function as lost, so that the next run doesn't find it dying.</summary>
    public async Task UntilRunnerIsGone(int number)
    {
        int[] runners = Faults.Ledger.Processes(ledger, number);
        while (Pool.Statistics.Workers.Any(worker => runners.Contains(worker.Id)))
            await Task.Delay(2);
    }

    /// <summary>Waits for something that has a bound too.</summary>
    public async Task<bool> Within(Task task, string what, double seconds = 7)
    {
        try
        {
            await task.InTime(TimeSpan.FromSeconds(seconds));
            return true;
        }
        catch (TimeoutException)
        {
            Violate($"{what} did not end within {seconds} s");
        }
        catch (Exception failure)
        {
            Violate($"{what} failed: {failure.GetType().Name}: {failure.Message}");
        }

        return false;
    }

    private static async Task<TrackedCall> Watch<T>(int number, Task<T> call, Func<T, bool> isRight, Outcome expected)
    {
        try
        {
            T result = await call.InTime(Bound);
            return isRight(result) ? new(number, expected, Outcome.Result, "") : new(number, expected, Outcome.Wrong, $"returned {result}");
        }
        catch (TimeoutException) when (!call.IsCompleted)
        {
            return new(number, expected, Outcome.None, $"nothing within {Bound.TotalSeconds} s");
        }
        catch (WorkerCrashedException crash)
        {
            return new(number, expected, Outcome.Crashed, crash.Message);
        }
        catch (CallTimeoutException timeout)
        {
            return new(number, expected, Outcome.TimedOut, timeout.Message);
        }
        catch (OperationCanceledException canceled)
        {
            return new(number, expected, Outcome.Canceled, canceled.Message);
        }
        catch (Exception failure)
        {
            return new(number, expected, Outcome.Wrong, $"{failure.GetType().Name}: {failure.Message}");
        }
    }
}

/// <summary>How the workers of a run are started and reached.</summary>
internal sealed record FaultTransportOptions(FaultTransports Transport)
{
    public ProcessPoolOptions Options => new()
    {
        Transport = Transport switch { FaultTransports.SharedMemory => WorkerTransport.SharedMemory, FaultTransports.Sockets => WorkerTransport.Sockets, _ => WorkerTransport.Automatic },
        Portable = Transport == FaultTransports.Portable,
        Output = static _ => { },
        ShutdownTimeout = TimeSpan.FromSeconds(5),

        // Or a thread would be there for it as long as the pool is, and every look for what is left would wait for its end.
        IdleTimeout = Timeout.InfiniteTimeSpan,
    };
}
