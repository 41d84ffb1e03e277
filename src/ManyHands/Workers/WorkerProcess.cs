using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Workers;

namespace ManyHands;

/// <summary>A function in a process of its own. Start one with <c>WorkerProcess.Start</c>, or derive and override <see cref="Run"/>.</summary>
/// <remarks>
/// <para>Arguments and captured variables are copied by value; what the child changes in its copies, the parent doesn't see. The result and
/// exceptions come back. The program's <c>Main</c> doesn't run in the child.</para>
/// <para>The child ends with its parent, however that ends, and so do the children it has started.</para>
/// </remarks>
/// <example><code>
/// int year = 2026;
/// WorkerProcess worker = WorkerProcess.Start(() => Console.WriteLine($"{Environment.ProcessId} in {year}"));
/// await worker.JoinAsync();
/// </code></example>
[StaysBehind]
public partial class WorkerProcess : Worker, ISelectable
{
    private static readonly ConcurrentDictionary<WorkerProcess, bool> Living = new();
    private static readonly LocalSignal Ends = new();
    private static int lastNumber;

    private readonly Owner owner;
    private int isWaitedFor;

    /// <summary>For derived classes; <see cref="Start()"/> starts it. The fields of the derived class travel, each by value.</summary>
    /// <param name="name">Null for <c>Process-1</c>, <c>Process-2</c>, …</param>
    /// <exception cref="ArgumentException">The name has a control character in it, or half a surrogate pair.</exception>
    protected WorkerProcess(string? name = null)
        : base(name ?? $"Process-{Interlocked.Increment(ref lastNumber)}")
    {
        if (name is not null)
            SystemText.CheckName(name, nameof(name));
        owner = new Owner(this);
    }

    /// <summary>All worker processes of this process that run now. Those of pools are in the pool's <see cref="Pool.Statistics"/>.</summary>
    public static IReadOnlyList<WorkerProcess> LiveChildren => [.. Living.Keys];

    /// <summary>The child's process id; in the child, its own.</summary>
    /// <exception cref="InvalidOperationException">It wasn't started.</exception>
    public override int Id
    {
        get
        {
            // In the child there is only the copy of the derived class's fields.
            if (owner is null)
                return Environment.ProcessId;
            CheckJoinable();
            return owner.ProcessId;
        }
    }

    /// <inheritdoc/>
    public override CancellationToken CancellationToken => owner is null ? Current.CancellationToken : base.CancellationToken;

    /// <summary>How the process ended; null while it runs.</summary>
    public WorkerExit? Exit => owner.Exit;

    /// <summary>Its exit code: 0 if the function returned, 1 if it threw, or what it exited with itself. Null while it runs, and if a signal ended it.</summary>
    public int? ExitCode => Exit?.ExitCode;

    /// <summary>The number of the signal that ended it, such as 15 after <see cref="Terminate()"/> or 9 after <see cref="Kill"/>; else null.</summary>
    public int? Signal => Exit?.Signal;

    /// <summary>What the child does. Override it in a derived class.</summary>
    protected virtual void Run() =>
        throw new NotImplementedException($"{GetType().Name} derives from {nameof(WorkerProcess)} but overrides no {nameof(Run)}; write 'protected override void Run()'.");

    /// <summary>Starts the process; ends when it has an id. Its function starts some milliseconds later.</summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    /// <exception cref="UnsendableCallException">The function, an argument or a captured variable can't travel; the message says what to write instead.</exception>
    /// <exception cref="PlatformNotSupportedException">The program is published as a single file, self-contained, trimmed or with NativeAOT.</exception>
    /// <exception cref="IOException">The system could not start a process.</exception>
    public void Start()
    {
        MarkStarted();
        try
        {
            _ = RuntimeLayout.Current;
            Living[this] = true;
            owner.Start(Name, Encode());
        }
        catch (Exception failure)
        {
            Living.TryRemove(this, out _);
            SetFaulted(failure);
            throw;
        }
    }

    bool ISelectable.IsReady(bool thorough)
    {
        CheckJoinable();
        return Outcome.IsCompleted;
    }

    WaitWord ISelectable.WaitWord
    {
        get
        {
            if (Interlocked.Exchange(ref isWaitedFor, 1) == 0)
                Guarded.OnEnded(GuardedEntry.ProcessEndSignal, Outcome, Ends, static ends => ends.Raise(), static _ => "those that wait for one of several processes", static (ends, _) => ends.Raise());
            return Ends.WaitWord;
        }
    }

    void ISelectable.PassOn()
    {
        // All that wait were woken.
    }

    /// <summary>Asks the function to stop through its token and the process through SIGTERM, and kills it if it hasn't ended 2 seconds later.</summary>
    public void Terminate() => Terminate(TimeSpan.FromSeconds(2));

    /// <summary>Asks the function to stop through its token and the process through SIGTERM, and kills it if it hasn't ended after the grace.</summary>
    /// <param name="grace">Zero kills at once.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="grace"/> is negative.</exception>
    public void Terminate(TimeSpan grace)
    {
        TimeLimits.Check(grace, nameof(grace));
        CheckJoinable();
        base.Cancel();
        owner.Terminate(grace);
    }

    /// <summary>Ends the process and everything it has started, at once.</summary>
    public void Kill()
    {
        CheckJoinable();
        base.Cancel();
        owner.Kill();
    }

    /// <inheritdoc/>
    public override void Cancel()
    {
        CheckJoinable();
        base.Cancel();
        owner.Cancel();
    }

    private protected override void Stop() => Terminate();

    private protected virtual PendingCall Encode() => CallEncoder.EncodeForProcess(new Call<Arguments, NoResult>(Run, default));

    private protected virtual void TakeResult(PendingCall ended)
    {
    }

    /// <summary>Hears from the link; kept apart so that the public type shows none of it.</summary>
    private sealed class Owner(WorkerProcess worker) : IWorkerLinkOwner
    {
        private readonly TaskCompletionSource<int> processId = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private WorkerLink? link;
        private PendingCall? call;
        private CancellationTokenRegistration registration;
        private bool ended;
        private bool stopped;

        public WorkerExit? Exit { get; private set; }

        public int ProcessId => processId.Task.GetAwaiter().GetResult();

        public void Start(string name, PendingCall encoded)
        {
            call = encoded;
            link = new WorkerLink(new WorkerSettings { Name = name, EndsWithFirstCall = true }, this);
            link.Start();

            // The caller may print the id at once, and learns here if there is none.
            _ = ProcessId;
        }

        public void Cancel() => link?.Cancel(WorkerLink.FirstSequence);

        public void Terminate(TimeSpan grace)
        {
            stopped = true;
            Cancel();
            link?.Terminate("it was terminated", grace);
        }

        public void Kill()
        {
            stopped = true;
            link?.Kill("it was killed by its owner");
        }

        private string Name => worker.Name;

        public void OnSpawned(WorkerLink spawned) => processId.TrySetResult(spawned.ProcessId);

        public void OnReady(WorkerLink ready)
        {
            ready.Send(call!.Function, call.Payload, WorkerLink.FirstSequence);
            registration = Guarded.OnCanceled(GuardedEntry.CallCancellation, call.Token, this, static owner => owner.Cancel(), static owner => owner.Name, static (owner, _) => owner.Kill());
        }

        public void OnEnded(WorkerLink from, long sequence, OutcomeKind kind, ReadOnlyMemory<byte> payload, TimeSpan runTime, bool isUnwell)
        {
            CallOutcome.Complete(call!, kind, payload);
            ended = true;
            from.Shutdown(within: null);
        }

        public void OnResults(WorkerLink from, long sequence, int count, ReadOnlyMemory<byte> payload) =>
            throw new InvalidDataException("A single worker sends one outcome.");

        public void OnAllRead(WorkerLink from)
        {
        }

        public void OnProgress(WorkerLink from, long sequence, int receiver, ReadOnlyMemory<byte> value) => call!.Report(receiver, value);

        public void OnUnreadableReport(WorkerLink from, long sequence, Exception reason) => call!.LoseReport(reason);

        public void OnReturned(WorkerLink from, long sequence)
        {
            // Cancelled before it started.
            ended = true;
            stopped = true;
            call!.SetException(new OperationCanceledException($"{worker.Name} was cancelled before its function started."));
            from.Shutdown(within: null);
        }

        public void OnGone(WorkerLink from, WorkerGone gone)
        {
            try
            {
                EndWith(gone);
            }
            catch (Exception unforeseen)
            {
                processId.TrySetException(unforeseen);
                worker.SetFaulted(unforeseen);
                throw;
            }
        }

        private void EndWith(WorkerGone gone)
        {
            registration.Unregister();
            Exit = gone.Exit;
            Living.TryRemove(worker, out _);
            call!.ReleasePayload();

            // Whoever has started it may wait for an id that never came.
            if (gone.Failure is not null)
                processId.TrySetException(gone.Failure);
            if (gone.Exit is null)
            {
                worker.SetFaulted(gone.Failure!);
                return;
            }

            if (!ended && !stopped)
                call.SetException(Crashed(gone.Exit));
            else if (!ended)
                call.SetException(new OperationCanceledException($"{worker.Name} was ended by its owner; it {gone.Exit.Describe()}."));

            // Its last progress reports may still be on their way to their receivers.
            call.WhenCompleted(static (call, worker) => ((WorkerProcess)worker).Settle(call), worker, static (worker, unforeseen) => ((WorkerProcess)worker).SetFaulted(unforeseen));
        }

        private WorkerCrashedException Crashed(WorkerExit exit)
        {
            return new WorkerCrashedException($"{worker.Name} (process {exit.ProcessId}) {exit.Describe()} before its function ended.{exit.Details()}", exit, exit.RunTime);
        }
    }

    private void Settle(PendingCall call)
    {
        switch (call.Failure)
        {
            case null:
                TakeResult(call);
                SetCompleted();
                break;
            case OperationCanceledException when base.CancellationToken.IsCancellationRequested:
                SetCanceled();
                break;
            case { } failure:
                SetFaulted(failure);
                break;
        }
    }
}

/// <summary>A function with a result, in a process of its own.</summary>
/// <typeparam name="TResult">What the function returns.</typeparam>
[StaysBehind]
public sealed class WorkerProcess<TResult> : WorkerProcess
{
    private readonly Call<TResult> call;
    private TResult? result;

    internal WorkerProcess(Call<TResult> call, string? name)
        : base(name) => this.call = call;

    /// <summary>What the function returned. Throws what it threw.</summary>
    /// <exception cref="InvalidOperationException">It hasn't ended yet.</exception>
    public TResult Result
    {
        get
        {
            if (!Outcome.IsCompleted)
                throw new InvalidOperationException($"{Name} has no result yet: it is {State}. Await it, or join it first.");
            Outcome.GetAwaiter().GetResult();
            return result!;
        }
    }

    /// <summary>Waits for the result; throws what the function threw.</summary>
    public new TaskAwaiter<TResult> GetAwaiter()
    {
        CheckJoinable();
        return ResultAsync().GetAwaiter();
    }

    internal WorkerProcess<TResult> Started()
    {
        Start();
        return this;
    }

    private protected override PendingCall Encode() => CallEncoder.EncodeForProcess(call);

    private protected override void TakeResult(PendingCall ended) => result = ((PendingCall<TResult>)ended).Task.Result;

    private async Task<TResult> ResultAsync()
    {
        await Outcome.ConfigureAwait(false);
        return result!;
    }
}
