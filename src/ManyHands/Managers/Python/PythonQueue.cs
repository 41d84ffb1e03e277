using System.Diagnostics;
using ManyHands.Managers;

namespace ManyHands;

/// <summary>A queue that a Python manager serves: <c>queue.Queue</c> and its like.</summary>
/// <remarks>
/// Python's managers know no leases, and an item that was handed to a connection is gone. So nobody here goes away while an item may be on its way: waiting is done in turns of half a second, and cancelling takes effect
/// between them. A process that dies in that time, or a connection that breaks, can cost the item that was just handed over.
/// </remarks>
/// <typeparam name="T">What its items are. An item of another type ends in <see cref="PythonConversionException"/>, which has it: Python's queue takes nothing back.</typeparam>
public sealed class PythonQueue<T> : IAsyncDisposable
{
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(0.5);

    /// <summary>How much longer than a turn its answer may take before the manager is given up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    internal PythonQueue(PythonProxy proxy) => Proxy = proxy;

    /// <summary>The queue as an object, for its other methods.</summary>
    public PythonProxy Proxy { get; }

    /// <summary>Puts an item in, and waits as long as the queue is full.</summary>
    /// <inheritdoc cref="TryEnqueueAsync"/>
    public async Task EnqueueAsync(T item, CancellationToken cancellationToken = default) => await TryEnqueueAsync(item, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);

    /// <summary>Puts an item in, or gives up when the queue is full for so long.</summary>
    /// <param name="timeout">How long to wait; zero to try only; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the waiting within half a second. The item then isn't in.</param>
    /// <returns>Whether it is in.</returns>
    /// <exception cref="PythonConversionException">The item has no counterpart in Python.</exception>
    /// <exception cref="IOException">The connection is lost. Whether the item is in is not known.</exception>
    /// <exception cref="TimeoutException">The manager doesn't answer at all.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public async Task<bool> TryEnqueueAsync(T item, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        object? converted;
        try
        {
            converted = PythonConversion.ToPython(item);
        }
        catch (PythonConversionException problem)
        {
            throw problem.Within("item");
        }

        return (await InTurnsAsync("put", [converted], "queue.Full", timeout, cancellationToken).ConfigureAwait(false)).IsDone;
    }

    /// <summary>Takes the next item, however long that takes.</summary>
    /// <param name="cancellationToken">Ends the waiting within half a second, unless an item comes in that time.</param>
    /// <inheritdoc cref="TryDequeueAsync" path="exception"/>
    public async Task<T> DequeueAsync(CancellationToken cancellationToken = default) => (await TryDequeueAsync(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false)).Item;

    /// <summary>Takes the next item, or gives up when there is none for so long.</summary>
    /// <param name="timeout">How long to wait; zero to look only; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="cancellationToken">Ends the waiting within half a second, unless an item comes in that time.</param>
    /// <exception cref="PythonConversionException">The item is of another type. It is taken, and is the exception's <see cref="PythonConversionException.Value"/>.</exception>
    /// <exception cref="IOException">The connection is lost, and an item that was just handed over with it.</exception>
    /// <exception cref="TimeoutException">The manager doesn't answer at all.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
    public async Task<(bool HasItem, T Item)> TryDequeueAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        (bool isDone, object? item) = await InTurnsAsync("get", [], "queue.Empty", timeout, cancellationToken).ConfigureAwait(false);
        return isDone ? (true, PythonConversion.FromPython<T>(item, "item")) : (false, default!);
    }

    /// <summary>About how many items are in it.</summary>
    /// <inheritdoc cref="PythonProxy.CallAsync{T}" path="exception"/>
    public Task<long> CountAsync(CancellationToken cancellationToken = default) => Proxy.CallAsync<long>("qsize", null, cancellationToken);

    /// <summary>Gives it back to the manager.</summary>
    public ValueTask DisposeAsync() => Proxy.DisposeAsync();

    private async Task<(bool IsDone, object? Result)> InTurnsAsync(string method, object?[] arguments, string notYet, TimeSpan timeout, CancellationToken token)
    {
        if (timeout < TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "A time must not be negative, but for Timeout.InfiniteTimeSpan.");
        long startedAt = Stopwatch.GetTimestamp();
        while (true)
        {
            token.ThrowIfCancellationRequested();
            TimeSpan left = timeout == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : timeout - Stopwatch.GetElapsedTime(startedAt);
            TimeSpan turn = left < Turn ? left : Turn;
            try
            {
                return (true, await Proxy.AskAsync(method, [.. arguments, turn > TimeSpan.Zero, Math.Max(turn.TotalSeconds, 0)], Turn + Patience).ConfigureAwait(false));
            }
            catch (PythonException none) when (none.PythonType == notYet)
            {
                if (left <= Turn)
                    return (false, null);
            }
        }
    }
}
