using ManyHands.Calls;
using ManyHands.Platform;

namespace ManyHands.Pools;

/// <summary>
/// A call in an engine that shares the caller's memory. The function can be asked to stop but not be made to: when it doesn't within the grace,
/// the caller gets its answer and the function runs on in the place it has.
/// </summary>
internal abstract class LocalCall
{
    public abstract string Name { get; }

    public abstract bool IsCompleted { get; }

    /// <summary>Whether it may run; false if it was cancelled while it waited.</summary>
    public abstract bool TryStart();

    /// <summary>Calls the function on this thread. Never throws; the outcome is the caller's.</summary>
    public abstract ValueTask RunAsync();

    public abstract void Fail(Exception exception);
}

/// <inheritdoc/>
internal sealed class LocalCall<TResult> : LocalCall
{
    private const int Waiting = 0;
    private const int Running = 1;
    private const int Ended = 2;

    private readonly Call<TResult> call;
    private readonly CancellationToken poolStops;
    private readonly CallCounters counters;
    private readonly Action<LocalCall> ended;
    private readonly TaskCompletionSource<TResult> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenRegistration registration;
    private CancellationTokenSource? stop;
    private Deadline? deadline;
    private int state;
    private int settled;
    private bool timedOut;

    /// <param name="call">The call.</param>
    /// <param name="counters">Count the outcome.</param>
    /// <param name="ended">The function has ended, and its caller is about to learn it.</param>
    /// <param name="poolStops">Cancelled when the pool is killed.</param>
    public LocalCall(Call<TResult> call, CallCounters counters, Action<LocalCall> ended, CancellationToken poolStops)
    {
        this.ended = ended;
        this.call = call;
        this.poolStops = poolStops;
        this.counters = counters;
        if (call.Token.CanBeCanceled)
            registration = Guarded.OnCanceled(GuardedEntry.CallCancellation, call.Token, this, static self => self.OnCallerCancels(), static self => self.Name, static (self, _) => self.SettleAsCanceled());
    }

    public Task<TResult> Task => outcome.Task;

    public override string Name => call.Name;

    public override bool IsCompleted => outcome.Task.IsCompleted;

    public override bool TryStart()
    {
        if (Interlocked.CompareExchange(ref state, Running, Waiting) != Waiting)
            return false;
        if (call.Token.CanBeCanceled || call.Options.HasTimeout)
            stop = CancellationTokenSource.CreateLinkedTokenSource(call.Token, poolStops);
        if (call.Options.HasTimeout)
            deadline = Deadlines.After(call.Options.Timeout!.Value, OnTimeout, failed: _ => Settle(TimedOut()));
        return true;
    }

    public override ValueTask RunAsync()
    {
        ValueTask<TResult> running;
        try
        {
            running = call.Invoke(stop?.Token ?? poolStops);
        }
        catch (Exception exception)
        {
            End(exception, default!);
            return default;
        }

        if (!running.IsCompletedSuccessfully)
            return Await(running);
        End(null, running.Result);
        return default;
    }

    public override void Fail(Exception exception) => Settle(exception);

    private async ValueTask Await(ValueTask<TResult> running)
    {
        // The continuation stays in the engine's own context: a coroutine goes on on its thread.
        try
        {
            End(null, await running);
        }
        catch (Exception exception)
        {
            End(exception, default!);
        }
    }

    private void End(Exception? exception, TResult result)
    {
        lock (outcome)
        {
            state = Ended;
            deadline?.Cancel();
        }

        ended(this);
        if (Volatile.Read(ref timedOut))
            Settle(TimedOut());
        else if (exception is OperationCanceledException && call.Token.IsCancellationRequested)
            SettleAsCanceled();
        else if (exception is not null)
            Settle(exception);
        else if (TrySettle())
        {
            counters.CountCompleted();
            outcome.TrySetResult(result);
        }

        registration.Unregister();

        // Disposed after the outcome: the function has ended, nobody else holds the token.
        stop?.Dispose();
    }

    private void OnCallerCancels()
    {
        if (Interlocked.CompareExchange(ref state, Ended, Waiting) == Waiting)
            SettleAsCanceled();
        else
            GiveGrace(SettleAsCanceled);
    }

    private void OnTimeout()
    {
        Volatile.Write(ref timedOut, true);
        try
        {
            // Off the deadlines' thread: a registration of the user's may take its time.
            _ = stop!.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // The function ended at this very moment.
        }

        GiveGrace(() => Settle(TimedOut()));
    }

    private void GiveGrace(Action isOver)
    {
        lock (outcome)
        {
            deadline?.Cancel();
            if (state != Ended)
                deadline = Deadlines.After(call.Options.Grace, isOver, failed: _ => isOver());
        }
    }

    private CallTimeoutException TimedOut() =>
        new($"{call.Name} ran longer than its timeout of {call.Options.Timeout!.Value.TotalSeconds:0.###} s.", call.Options.Timeout!.Value);

    // The first to settle wins. It counts before the caller learns, who may look at the statistics next.
    private bool TrySettle() => Interlocked.Exchange(ref settled, 1) == 0;

    private void Settle(Exception exception)
    {
        if (!TrySettle())
            return;
        counters.CountFailure(exception);
        outcome.TrySetException(exception);
    }

    private void SettleAsCanceled()
    {
        if (!TrySettle())
            return;
        counters.CountCanceled();
        outcome.TrySetCanceled(call.Token);
    }
}
