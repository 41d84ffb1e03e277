using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Pools;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>The engine of <c>Pool.Remote</c>: each call is a request to the manager, answered with its outcome.</summary>
internal sealed class RemotePool : Pool
{
    /// <summary>A manager allows a client so many requests; further calls wait here.</summary>
    private const int MostSent = 4_000;

    private const int LeastWidth = 16;
    private const int MostWidth = 1_000;

    /// <summary>How long after a call's grace its outcome may still come. Then its worker or the manager is stopped or cut off.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(2);

    // Calls of all pools of the process have different keys, as they may share a session.
    private static long lastKey;

    private readonly RemotePoolObject port;
    private readonly RemoteFunctions functions;
    private readonly RemotePoolOptions options;
    private readonly CallCounters counters = new();
    private readonly Lock gate = new();
    private readonly HashSet<RemoteCall> unended = [];
    private readonly Queue<RemoteCall> unsent = new();
    private readonly CancellationTokenSource killed = new();
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int sent;
    private int unsettled;
    private bool isClosed;

    public RemotePool(RemotePoolObject port, RemoteFunctions functions, RemotePoolOptions options)
    {
        this.port = port;
        this.functions = functions;
        this.options = options;
    }

    public override PoolStatistics Statistics
    {
        get
        {
            (int places, int running, long joined, long lost, PoolWorkerStatistics[] workers) = AskState();
            int open = Volatile.Read(ref unsettled);
            running = Math.Min(running, open);
            return counters.Snapshot("remote", places, workers, open - running, running, joined, lost);
        }
    }

    internal override int MapWidth => Math.Clamp(2 * port.Room, LeastWidth, MostWidth);

    public override async Task WarmUpAsync(CancellationToken cancellationToken = default)
    {
        lock (gate)
        {
            if (isClosed)
                throw Closed();
        }

        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, killed.Token);
        if (options.NoWorkerTimeout != Timeout.InfiniteTimeSpan)
            limit.CancelAfter(options.NoWorkerTimeout);
        try
        {
            await port.AwaitWorkerAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (killed.IsCancellationRequested)
                throw Closed();
            throw new PoolBrokenException($"There is no worker at the pool '{port.Name}', and none came within {options.NoWorkerTimeout.TotalSeconds:0.###} s ({nameof(RemotePoolOptions)}.{nameof(RemotePoolOptions.NoWorkerTimeout)}).");
        }
    }

    public override async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            isClosed = true;
            if (unended.Count == 0)
                drained.TrySetResult();
        }

        try
        {
            await drained.Task.WaitAsync(options.ShutdownTimeout).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Kill();
        }
    }

    public override void Kill()
    {
        RemoteCall[] calls;
        lock (gate)
        {
            isClosed = true;
            calls = [.. unended];
            unsent.Clear();
        }

        foreach (RemoteCall call in calls)
            Fail(call, Closed());

        // The manager hears of each, and has it cancelled in its worker.
        killed.Cancel();
        foreach (RemoteCall call in calls.Where(one => !one.IsSent))
        {
            call.Pending.ReleasePayload();
            End(call);
        }
    }

    internal override Task<TResult> StartCall<TResult>(Call<TResult> call)
    {
        if (Volatile.Read(ref isClosed))
            throw Closed();
        RegisteredFunction function = functions.Find(call, port.Name);
        PendingCall<TResult> pending = CallEncoder.Encode(call, segments: null, function.Reference);
        if (pending.Token.IsCancellationRequested)
        {
            pending.ReleasePayload();
            counters.CountCanceled();
            return Task.FromCanceled<TResult>(pending.Token);
        }

        RemoteCall remote = new(pending, function, Interlocked.Increment(ref lastKey));
        if (pending.Token.CanBeCanceled)
            remote.GiveUp = CancellationTokenSource.CreateLinkedTokenSource(killed.Token);
        bool isFirst;
        lock (gate)
        {
            if (isClosed)
            {
                pending.ReleasePayload();
                throw Closed();
            }

            unended.Add(remote);
            unsettled++;
            isFirst = sent < MostSent;
            if (isFirst)
                sent++;
            else
                unsent.Enqueue(remote);
            remote.IsSent = isFirst;
        }

        if (isFirst && Send(remote) is { } refusal)
        {
            // Of the call itself: it is thrown where it was made.
            if (pending.TrySettle())
                Unsettle();
            Sent(remote);
            throw refusal;
        }

        FollowToken(remote);
        return pending.Task;
    }

    /// <summary>What the manager tells, if it can be asked now.</summary>
    private (int Places, int Running, long Joined, long Lost, PoolWorkerStatistics[] Workers) AskState()
    {
        try
        {
            if (port.Link.IsCurrent(port.Link.Epoch))
                return port.ReadState(port.AskState());
        }
        catch (Exception failure) when (failure is ConnectionLostException or ManagerException or ObjectDisposedException or TimeoutException)
        {
            // Statistics are read when things have gone wrong, too.
        }

        return (0, 0, 0, 0, []);
    }

    /// <summary>Makes the request.</summary>
    /// <returns>What is wrong with the call itself; null if it is under way.</returns>
    private Exception? Send(RemoteCall call)
    {
        Task<ReadOnlyMemory<byte>> answer;
        PendingCall pending = call.Pending;
        try
        {
            using PayloadWriter body = new();
            body.WriteUnmanaged(call.Key);
            body.WriteUnmanaged(pending.Options.Retries);
            body.WriteUnmanaged(options.NoWorkerTimeout == Timeout.InfiniteTimeSpan ? -1 : (long)Math.Ceiling(options.NoWorkerTimeout.TotalMilliseconds));
            body.WriteByte(pending.HasReceivers ? (byte)1 : (byte)0);
            PoolCallMessage.Write(body, call.Function.Name, call.Function.Signature, pending.Options);
            body.WriteBytes(pending.Payload.Span);
            answer = port.AskAsync(Operation.PoolRun, body.WrittenMemory, call.GiveUp?.Token ?? killed.Token);
        }
        catch (OperationCanceledException)
        {
            return Closed();
        }
        catch (Exception reason)
        {
            return reason;
        }
        finally
        {
            pending.ReleasePayload();
        }

        if (pending.HasReceivers)
            Guarded.Watch(GuardedEntry.RemotePoolCall, FollowReportsAsync(call, answer), (Pool: this, Call: call), static one => one.Call.Describe(), static (one, reason) => one.Pool.Lose(one.Call, reason));
        else if (answer.IsCompleted)
            OnAnswer(call, answer);
        else
            Guarded.OnEnded(GuardedEntry.RemotePoolCall, answer, (Pool: this, Call: call, Answer: answer), static one => one.Pool.OnAnswer(one.Call, one.Answer), static one => one.Call.Describe(), static (one, reason) => one.Pool.Lose(one.Call, reason));
        return null;
    }

    /// <summary>Asks for reports until there are no more: only then the outcome counts.</summary>
    private async Task FollowReportsAsync(RemoteCall call, Task<ReadOnlyMemory<byte>> answer)
    {
        try
        {
            using PayloadWriter body = new();
            body.WriteUnmanaged(call.Key);
            for (bool isEnd = false; !isEnd;)
            {
                ((int Receiver, ReadOnlyMemory<byte> Value)[] reports, isEnd) = port.ReadReports(await port.AskAsync(Operation.PoolReports, body.WrittenMemory, killed.Token).ConfigureAwait(false));
                foreach ((int receiver, ReadOnlyMemory<byte> value) in reports)
                    call.Pending.Report(receiver, value);
            }
        }
        catch (Exception)
        {
            // Whatever it is, the call has it too, or goes on without its reports, which are unreadable.
        }

        await ((Task)answer).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        OnAnswer(call, answer);
    }

    private void OnAnswer(RemoteCall call, Task<ReadOnlyMemory<byte>> answer)
    {
        try
        {
            if (answer.IsCompletedSuccessfully)
            {
                (PoolOutcome outcome, ReadOnlyMemory<byte> payload) = port.ReadOutcome(answer.Result);
                OnOutcome(call, outcome, payload);
            }
            else if (answer.IsCanceled)
            {
                Cancel(call);
            }
            else
            {
                Fail(call, answer.Exception!.InnerException!);
            }
        }
        catch (Exception damage) when (damage is ManagerException or InvalidPayloadException)
        {
            Fail(call, damage as ManagerException ?? new ManagerException(ManagerError.BadRequest, $"{call.Pending.Name}: what the worker said can't be read: {ExceptionText.MessageOf(damage)}", damage));
        }
        catch (Exception reason)
        {
            Guarded.Fail(GuardedEntry.RemotePoolCall, (Pool: this, Call: call), reason, static one => one.Call.Describe(), static (one, reason) => one.Pool.Lose(one.Call, reason));
            return;
        }

        Sent(call);
    }

    private void OnOutcome(RemoteCall call, PoolOutcome outcome, ReadOnlyMemory<byte> payload)
    {
        PendingCall pending = call.Pending;
        switch (outcome)
        {
            case PoolOutcome.Canceled when pending.Token.IsCancellationRequested:
                Cancel(call);
                break;
            case PoolOutcome.TimedOut:
                TimeSpan limit = pending.Options.Timeout ?? TimeSpan.Zero;
                Fail(call, new CallTimeoutException($"{pending.Name} ran longer than its timeout of {limit.TotalSeconds:0.###} s.", limit));
                break;
            case PoolOutcome.Crashed:
                Fail(call, CrashReport.Read(payload));
                break;
            case PoolOutcome.Broken:
                PayloadReader reader = new(payload);
                Fail(call, new PoolBrokenException(reader.ReadRequiredString()));
                break;
            default:
                if (!pending.TrySettle())
                    break;
                if (outcome == PoolOutcome.Result)
                    counters.CountCompleted();
                else
                    counters.CountFailed();
                Unsettle();
                CallOutcome.Complete(pending, (OutcomeKind)outcome, payload);
                break;
        }
    }

    /// <summary>Its request is over: another may be made.</summary>
    private void Sent(RemoteCall call)
    {
        RemoteCall? next;
        lock (gate)
        {
            sent--;
            while (unsent.TryDequeue(out next) && next.Pending.IsCompleted)
            {
                // Cancelled while it waited.
            }

            if (next is not null)
            {
                sent++;
                next.IsSent = true;
            }
        }

        End(call);
        if (next is null)
            return;

        // From the thread pool: what is refused at once must not lead from one to the next on the same stack.
        Guarded.Queue(
            GuardedEntry.RemotePoolCall,
            (Pool: this, Call: next),
            static one =>
            {
                if (one.Pool.Send(one.Call) is { } refusal)
                    one.Pool.FailUnsent(one.Call, refusal);
            },
            static one => one.Call.Describe(),
            static (one, reason) => one.Pool.FailUnsent(one.Call, reason));
    }

    /// <summary>What nobody foresaw happened to it, wherever it was: also one that counts as settled, whose caller would wait for ever.</summary>
    private void Lose(RemoteCall call, Exception reason)
    {
        Fail(call, reason);
        call.Pending.SetException(reason);
        Sent(call);
    }

    private void FailUnsent(RemoteCall call, Exception refusal)
    {
        Fail(call, refusal);
        Sent(call);
    }

    /// <summary>Nothing more comes of it.</summary>
    private void End(RemoteCall call)
    {
        call.Registration.Unregister();
        call.Grace?.Cancel();
        lock (gate)
        {
            if (!unended.Remove(call))
                return;
            if (unended.Count == 0 && isClosed)
                drained.TrySetResult();
        }

        // It is linked to the pool's, which would keep it.
        call.GiveUp?.Dispose();
    }

    private void FollowToken(RemoteCall call)
    {
        if (!call.Pending.Token.CanBeCanceled)
            return;
        call.Registration = Guarded.OnCanceled(
            GuardedEntry.RemotePoolCall,
            call.Pending.Token,
            (Pool: this, Call: call),
            static one => one.Pool.OnCallerCancels(one.Call),
            static one => one.Call.Describe(),
            static (one, _) => one.Pool.Cancel(one.Call));
        if (call.Pending.IsCompleted)
            call.Registration.Unregister();
    }

    private void OnCallerCancels(RemoteCall call)
    {
        bool isSent;
        lock (gate)
            isSent = call.IsSent;
        if (!isSent)
        {
            Cancel(call);
            call.Pending.ReleasePayload();
            End(call);
            return;
        }

        if (!port.Link.IsCurrent(port.Link.Epoch))
        {
            // It waits for a connection, so nobody has it.
            GiveUp(call);
            return;
        }

        Span<byte> key = stackalloc byte[sizeof(long)];
        BitConverter.TryWriteBytes(key, call.Key);
        port.Post(Operation.PoolCancel, key.ToArray());
        call.Grace = Deadlines.After(call.Pending.Options.Grace + Slack, () => Guarded.Queue(GuardedEntry.RemotePoolCall, (Pool: this, Call: call), static one => one.Pool.GiveUp(one.Call), static one => one.Call.Describe()));
        if (call.Pending.IsCompleted)
            call.Grace.Cancel();
    }

    private void GiveUp(RemoteCall call)
    {
        try
        {
            call.GiveUp?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended at this very moment.
        }

        Cancel(call);
    }

    // The counting comes before the caller learns, who may look at the statistics next.
    private void Fail(RemoteCall call, Exception exception)
    {
        if (!call.Pending.TrySettle())
            return;
        counters.CountFailure(exception);
        Unsettle();
        call.Pending.SetException(exception);
    }

    private void Cancel(RemoteCall call)
    {
        if (!call.Pending.TrySettle())
            return;
        counters.CountCanceled();
        Unsettle();
        call.Pending.SetCanceled();
    }

    private void Unsettle()
    {
        lock (gate)
            unsettled--;
    }

    /// <param name="pending">What its caller waits for.</param>
    /// <param name="key">By which the manager knows it.</param>
#pragma warning disable CA1001 // The source is disposed of where the call ends.
    private sealed class RemoteCall(PendingCall pending, RegisteredFunction function, long key)
#pragma warning restore CA1001
    {
        public PendingCall Pending => pending;

        public RegisteredFunction Function => function;

        public long Key => key;

        /// <summary>Whether it is a request, or waits to become one. Guarded by the pool's gate.</summary>
        public bool IsSent { get; set; }

        /// <summary>Takes the request back; null for a call that can't be cancelled by itself.</summary>
        public CancellationTokenSource? GiveUp { get; set; }

        public CancellationTokenRegistration Registration { get; set; }

        public Deadline? Grace { get; set; }

        public string Describe() => $"the call {pending.Name} of a manager's pool, which failed";
    }
}
