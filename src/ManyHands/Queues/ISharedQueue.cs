using System.Diagnostics.CodeAnalysis;

namespace ManyHands;

/// <summary>
/// What a queue can do wherever it is: in memory that processes share (<see cref="SharedQueue{T}"/>), or with a manager, on this machine or another. Code that takes this takes both.
/// </summary>
/// <remarks>Methods without <c>Async</c> hold their thread while they wait; with a manager also for the way there and back.</remarks>
/// <typeparam name="T">What the items are; the same on all sides.</typeparam>
public interface ISharedQueue<T> : IDisposable
{
    /// <summary>How many items it takes before those that enqueue have to wait; 0 for no such bound.</summary>
    long Capacity { get; }

    /// <summary>How many items wait at this moment.</summary>
    long Count { get; }

    /// <summary>How many items are on lease at this moment, with all holders.</summary>
    int LeasedCount { get; }

    /// <summary>Whether somebody has called <see cref="Complete"/>. There may still be items.</summary>
    bool IsCompleted { get; }

    /// <inheritdoc cref="SharedQueue{T}.Enqueue(T, CancellationToken)"/>
    void Enqueue(T item, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.TryEnqueue(T)"/>
    bool TryEnqueue(T item);

    /// <inheritdoc cref="SharedQueue{T}.TryEnqueue(T, TimeSpan, CancellationToken)"/>
    bool TryEnqueue(T item, TimeSpan timeout, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.EnqueueAsync(T, CancellationToken)"/>
    ValueTask EnqueueAsync(T item, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.EnqueueBatch(IEnumerable{T}, CancellationToken)"/>
    void EnqueueBatch(IEnumerable<T> items, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.EnqueueBatchAsync(IEnumerable{T}, CancellationToken)"/>
    ValueTask EnqueueBatchAsync(IEnumerable<T> items, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.Dequeue(CancellationToken)"/>
    T Dequeue(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.TryDequeue(out T)"/>
    bool TryDequeue([MaybeNullWhen(false)] out T item);

    /// <inheritdoc cref="SharedQueue{T}.TryDequeue(out T, TimeSpan, CancellationToken)"/>
    bool TryDequeue([MaybeNullWhen(false)] out T item, TimeSpan timeout, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.DequeueAsync(CancellationToken)"/>
    ValueTask<T> DequeueAsync(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.DequeueBatch(int, CancellationToken)"/>
    T[] DequeueBatch(int most, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.DequeueBatchAsync(int, CancellationToken)"/>
    ValueTask<T[]> DequeueBatchAsync(int most, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.ReadAll(CancellationToken)"/>
    IEnumerable<T> ReadAll(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.ReadAllAsync(CancellationToken)"/>
    IAsyncEnumerable<T> ReadAllAsync(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.Lease(TimeSpan?, CancellationToken)"/>
    QueueLease<T> Lease(TimeSpan? duration = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.TryLease(out QueueLease{T}, TimeSpan, TimeSpan?, CancellationToken)"/>
    bool TryLease([NotNullWhen(true)] out QueueLease<T>? lease, TimeSpan timeout = default, TimeSpan? duration = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.LeaseAsync(TimeSpan?, CancellationToken)"/>
    ValueTask<QueueLease<T>> LeaseAsync(TimeSpan? duration = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.LeaseAllAsync(TimeSpan?, CancellationToken)"/>
    IAsyncEnumerable<QueueLease<T>> LeaseAllAsync(TimeSpan? duration = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.Join(CancellationToken)"/>
    void Join(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.Join(TimeSpan, CancellationToken)"/>
    bool Join(TimeSpan timeout, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.JoinAsync(CancellationToken)"/>
    ValueTask JoinAsync(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="SharedQueue{T}.Complete"/>
    void Complete();
}
