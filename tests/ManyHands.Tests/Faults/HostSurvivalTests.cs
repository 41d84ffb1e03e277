#if DEBUG
using ManyHands.Platform;
using ManyHands.Tests.Memory;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>What workers send must never end the process that reads it. Each runs in a host of its own, which would be dead otherwise.</summary>
public sealed class HostSurvivalTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The object that is reported is only to be had from a worker that is dead when the report is read.</summary>
    [Fact]
    public async Task ReportOfALostObject_FailsTheCall() => Assert.Equal("WorkerCrashedException 42", await InHost(static async () =>
    {
        await using Pool pool = Pool.Processes(1, Quiet);
        FaultPoint.Arm(FaultStep.ProgressRead, Fault.Delay, delay: TimeSpan.FromMilliseconds(500));
        SynchronousProgress<SharedArray<int>> progress = new(static _ => { });
        return await OutcomeOf(pool.RunAsync(ReportAndDie, (IProgress<SharedArray<int>>)progress)) + $" {await pool.RunAsync(Answer)}";
    }));

    /// <summary>A report that can't be read is no call without a report: it fails, when it ends.</summary>
    [Theory]
    [InlineData(WorkerTransport.SharedMemory)]
    [InlineData(WorkerTransport.Sockets)]
    public async Task ReportThatCannotBeRead_FailsTheCall(WorkerTransport transport) => Assert.Equal("UnsendableCallException, UnsendableCallException 1 42", await InHost(async () =>
    {
        Fussy.Refuses = true;
        await using Pool pool = Pool.Processes(1, Quiet with { Transport = transport });
        SynchronousProgress<Fussy> progress = new(static _ => { });
        string call = await OutcomeOf(pool.RunAsync(Report, (IProgress<Fussy>)progress));
        string map = await OutcomeOf(pool.MapAsync(item => Report(progress, item), Enumerable.Range(0, 20)).ToListAsync(CancellationToken.None).AsTask());
        return $"{call}, {map} {pool.Statistics.WorkersStarted} {await pool.RunAsync(Answer)}";
    }));

    /// <summary>The worker has made an honest result, for which this process has no addresses left.</summary>
    [Fact]
    public async Task ResultThatCannotBeMapped_FailsTheCall() => Assert.Equal("UnsendableCallException 42 1", await InHost(static async () =>
    {
        await using Pool pool = Pool.Processes(1, Quiet);
        await pool.WarmUpAsync();
        Limits.SetAddresses(48 << 20);
        string outcome = await OutcomeOf(pool.RunAsync(Large, 96 << 20));
        return $"{outcome} {await pool.RunAsync(Answer)} {pool.Statistics.WorkersStarted}";
    }));

    /// <summary>The rest of a batch comes back when the map has ended, and its token's source is gone.</summary>
    [Fact]
    public async Task RestOfAMapThatHasEnded_IsNobodysToCancel() => Assert.Equal("DivideByZeroException 42", await InHost(static async () =>
    {
        await using Pool pool = Pool.Processes(1, Quiet);
        for (int i = 0; i < 3; i++)
            await pool.MapAsync(Invert, Enumerable.Range(1, 3000)).CountAsync(CancellationToken.None);
        string outcome = "";

        // A rest that was recalled for taking long comes by there as well, so it takes some maps.
        for (int round = 0; round < 8; round++)
        {
            FaultPoint.Arm(FaultStep.SplitOff, Fault.Delay, delay: TimeSpan.FromMilliseconds(50));
            outcome = await OutcomeOf(pool.MapAsync(Invert, Enumerable.Range(-2990, 6000)).CountAsync(CancellationToken.None).AsTask());
        }

        return $"{outcome} {await pool.RunAsync(Answer)}";
    }));

    [Theory]
    [InlineData(WorkerTransport.SharedMemory)]
    [InlineData(WorkerTransport.Sockets)]
    public async Task ResultWhoseDecodingThrowsWhatCannotBeRead_FailsTheCall(WorkerTransport transport) => Assert.Equal("UnsendableCallException, UnsendableCallException 42", await InHost(async () =>
    {
        Fussy.Refuses = true;
        await using Pool pool = Pool.Processes(1, Quiet with { Transport = transport });
        string call = await OutcomeOf(pool.RunAsync(Make, Fussy.Refused));
        string map = await OutcomeOf(pool.MapAsync(Make, Enumerable.Range(0, 20)).ToListAsync(CancellationToken.None).AsTask());
        return $"{call}, {map} {await pool.RunAsync(Answer)}";
    }));

    private static ProcessPoolOptions Quiet => new() { Output = static _ => { } };

    private static async Task<string> InHost(Func<Task<string>> work)
    {
        await using WorkerProcess<string> host = WorkerProcess.Start(work);
        return await host.JoinAsync(Deadline, Token) ? await host : throw new TimeoutException("The host doesn't end.");
    }

    private static async Task<string> OutcomeOf(Task call)
    {
        try
        {
            await call.WaitAsync(TimeSpan.FromSeconds(30));
            return "a result";
        }
        catch (Exception failure)
        {
            return failure.GetType().Name;
        }
    }

    private static int Answer() => 42;

    private static int Invert(int item) => 1000 / item;

    private static byte[] Large(int size) => new byte[size];

    private static Fussy Make(int value) => new() { Value = value };

    private static int Report(IProgress<Fussy> progress)
    {
        progress.Report(new Fussy { Value = Fussy.Refused });
        return 1;
    }

    private static int Report(IProgress<Fussy> progress, int item)
    {
        progress.Report(new Fussy { Value = item });
        return item;
    }

    private static int ReportAndDie(IProgress<SharedArray<int>> progress)
    {
        progress.Report(new SharedArray<int>(10));
        _ = Linux.Kill(Environment.ProcessId, Linux.Sigkill);
        return 0;
    }

    /// <summary>Reports in order, on the thread that hands them on.</summary>
    private sealed class SynchronousProgress<T>(Action<T> receive) : IProgress<T>
    {
        public void Report(T value) => receive(value);
    }
}

/// <summary>Can be made anywhere, but not be read in a process that refuses one of its values.</summary>
public sealed class Fussy
{
    public const int Refused = 7;

    public static bool Refuses { get; set; }

    public int Value
    {
        get;
        set => field = Refuses && value == Refused ? throw new UnreadableException() : value;
    }
}

/// <summary>Everything it has to say throws.</summary>
#pragma warning disable CA1032 // Only made here.
public sealed class UnreadableException : Exception
#pragma warning restore CA1032
{
    public override string Message => throw new UnreadableException();

    public override string? StackTrace => throw new UnreadableException();

    public override string ToString() => throw new UnreadableException();
}
#endif
