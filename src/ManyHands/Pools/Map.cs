using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ManyHands.Calls;
using ManyHands.Platform;

namespace ManyHands.Pools;

/// <summary>
/// One map under way. A feeder takes items and starts calls; the consumer takes results. Two bounds hold the feeder back: enough calls are under way to keep
/// every worker busy, or too many results wait to be taken. The second is far wider than the first, so that
/// one slow call at the head of an ordered map doesn't idle the workers behind it.
/// </summary>
#pragma warning disable CA1001 // The token source is disposed where the enumeration ends, which is where the map ends.
internal sealed class Map<T, TResult>(Pool pool, Delegate function, MapSource<T> source, CallOptions? options)
#pragma warning restore CA1001
{
    private const int MostAhead = 1024;

    private readonly Channel<Task<TResult>> results = Channel.CreateUnbounded<Task<TResult>>(new() { SingleReader = true });
    private readonly CancellationTokenSource stop = new();
    private readonly Lock gate = new();
    private int underWay;
    private int notTaken;
    private bool failed;
    private TaskCompletionSource? feederWaits;
    private TaskCompletionSource? allEnded;

    /// <summary>For engines that run in the caller: one item at a time, when it is asked for.</summary>
    public static async IAsyncEnumerable<TResult> InCaller(
        Pool pool, Delegate function, MapSource<T> source, CallOptions? options, [EnumeratorCancellation] CancellationToken token)
    {
        await foreach (T item in source.ReadAsync(token).ConfigureAwait(false))
        {
            token.ThrowIfCancellationRequested();
            yield return await pool.StartCall(new Call<Arguments<T>, TResult>(function, new(item), options, token)).ConfigureAwait(false);
        }
    }

    private string FunctionName => function.Method.Name;

    public IAsyncEnumerable<TResult> InOrder(CancellationToken token) => RunAsync(inOrder: true, token);

    public IAsyncEnumerable<TResult> AsTheyCome(CancellationToken token) => RunAsync(inOrder: false, token);

    private async IAsyncEnumerable<TResult> RunAsync(bool inOrder, [EnumeratorCancellation] CancellationToken token)
    {
        using CancellationTokenRegistration registration = Guarded.OnCanceled(GuardedEntry.MapCancellation, token, this, static map => _ = map.stop.CancelAsync(), static map => $"the map of {map.FunctionName}", static (map, _) => map.stop.CancelAsync());
        Task feeder = Task.Run(() => FeedAsync(inOrder), CancellationToken.None);
        try
        {
            while (await results.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
            {
                while (results.Reader.TryRead(out Task<TResult>? call))
                {
                    TResult result;
                    try
                    {
                        result = await call.ConfigureAwait(false);
                    }
                    catch (OperationCanceledException) when (token.IsCancellationRequested)
                    {
                        throw new OperationCanceledException(token);
                    }

                    lock (gate)
                    {
                        notTaken--;
                        WakeFeeder();
                    }

                    yield return result;
                    token.ThrowIfCancellationRequested();
                }
            }

            token.ThrowIfCancellationRequested();
        }
        finally
        {
            // Whether by the end, an exception or a break: nothing of this map runs on after it.
            await stop.CancelAsync().ConfigureAwait(false);
            lock (gate)
            {
                failed = true;
                WakeFeeder();
            }

            await feeder.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await CallsEnded().ConfigureAwait(false);
            stop.Dispose();
        }
    }

    private async Task FeedAsync(bool inOrder)
    {
        try
        {
            await foreach (T item in source.ReadAsync(stop.Token).ConfigureAwait(false))
            {
                if (!await RoomForOneMore().ConfigureAwait(false))
                    break;
                Task<TResult> call = pool.StartCall(new Call<Arguments<T>, TResult>(function, new(item), options, stop.Token));
                lock (gate)
                {
                    underWay++;
                    notTaken++;
                }

                if (inOrder)
                    results.Writer.TryWrite(call);
                Guarded.OnEnded(GuardedEntry.MapItem, call, this, map => map.Ended(call, inOrder), static map => $"an item of the map of {map.FunctionName}", (map, _) => map.Ended(call, inOrder));
            }

            if (!inOrder)
                await CallsEnded().ConfigureAwait(false);
            results.Writer.TryComplete();
        }
        catch (Exception reason)
        {
            // Of the source, or of an item that can't travel: it comes after the results of the items before it.
            results.Writer.TryWrite(Task.FromException<TResult>(reason));
            results.Writer.TryComplete();
        }
    }

    private void Ended(Task<TResult> call, bool inOrder)
    {
        if (!inOrder)
            results.Writer.TryWrite(call);
        lock (gate)
        {
            underWay--;
            failed |= !call.IsCompletedSuccessfully;
            WakeFeeder();
            if (underWay == 0)
                allEnded?.TrySetResult();
        }
    }

    /// <summary>Waits until one more call may start; false if none may any more.</summary>
    private async ValueTask<bool> RoomForOneMore()
    {
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (failed || stop.IsCancellationRequested)
                    return false;
                int width = pool.MapWidth;
                if (underWay < width && notTaken < Math.Max(MostAhead, 2 * width))
                    return true;
                feederWaits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = feederWaits.Task;
            }

            await wait.ConfigureAwait(false);
        }
    }

    private void WakeFeeder()
    {
        feederWaits?.TrySetResult();
        feederWaits = null;
    }

    private Task CallsEnded()
    {
        lock (gate)
        {
            if (underWay == 0)
                return Task.CompletedTask;
            return (allEnded ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }
}
