namespace ManyHands;

/// <summary>A list that a manager has (<see cref="ManagerServer.RegisterList"/>), as all its users have it: those in other processes, and the manager's own.</summary>
/// <remarks>
/// <para>Thread-safe, and each call is atomic among all users. As others may add and remove meanwhile, an index means what it means in the moment of the call. Methods without <c>Async</c> hold their thread for the way there and back.</para>
/// <para>
/// All methods that ask the manager throw <see cref="ConnectionLostException"/> if the connection is lost and it isn't known whether it was done, <see cref="TimeoutException"/> if the manager doesn't answer within
/// <see cref="ManagerClientOptions.CallTimeout"/>, <see cref="OperationCanceledException"/> if they were cancelled (it may have been done all the same), <see cref="UnsendableCallException"/> if an item can't travel,
/// <see cref="ManagerException"/> if the manager holds as much as it may, or has stopped, and <see cref="ObjectDisposedException"/>.
/// </para>
/// </remarks>
/// <typeparam name="T">What its items are; the same on all sides.</typeparam>
public interface ISharedList<T> : IDisposable
{
    /// <summary>How many items it has at this moment.</summary>
    long Count { get; }

    /// <summary>The item at an index, from 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has no such index at this moment.</exception>
    T this[long index] { get; set; }

    /// <summary>How many items it has at this moment.</summary>
    ValueTask<long> CountAsync(CancellationToken cancellationToken = default);

    /// <summary>The item at an index, from 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has no such index at this moment.</exception>
    T Get(long index, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Get"/>
    ValueTask<T> GetAsync(long index, CancellationToken cancellationToken = default);

    /// <summary>Replaces the item at an index.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has no such index at this moment.</exception>
    void Set(long index, T item, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Set"/>
    ValueTask SetAsync(long index, T item, CancellationToken cancellationToken = default);

    /// <summary>Adds an item at the end.</summary>
    /// <returns>Its index.</returns>
    long Add(T item, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Add"/>
    ValueTask<long> AddAsync(T item, CancellationToken cancellationToken = default);

    /// <summary>Adds an item before that at an index, or at the end if it is the number of items.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It has no such index at this moment.</exception>
    void Insert(long index, T item, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Insert"/>
    ValueTask InsertAsync(long index, T item, CancellationToken cancellationToken = default);

    /// <summary>Removes the item at an index.</summary>
    /// <returns>The item, which nobody else gets.</returns>
    /// <exception cref="ArgumentOutOfRangeException">It has no such index at this moment.</exception>
    T RemoveAt(long index, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="RemoveAt"/>
    ValueTask<T> RemoveAtAsync(long index, CancellationToken cancellationToken = default);

    /// <summary>Some items in a row.</summary>
    /// <param name="start">The index of the first; may be the number of items.</param>
    /// <param name="count">How many, if there are as many.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>The items; got at one moment up to some hundred KiB, and else in pages, between which others may change the list.</returns>
    /// <exception cref="ArgumentOutOfRangeException">It has no such index at this moment, or the count is negative.</exception>
    T[] GetRange(long start, int count, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="GetRange"/>
    ValueTask<T[]> GetRangeAsync(long start, int count, CancellationToken cancellationToken = default);

    /// <summary>Removes all items.</summary>
    void Clear(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Clear"/>
    ValueTask ClearAsync(CancellationToken cancellationToken = default);

    /// <summary>All items, in order.</summary>
    /// <remarks>They are got page by page, some hundred KiB at a time, each from the index after the last: what is inserted or removed before that between two pages has an item come twice or not at all. What is added at the end comes too.</remarks>
    IEnumerable<T> GetItems(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="GetItems"/>
    IAsyncEnumerable<T> GetItemsAsync(CancellationToken cancellationToken = default);
}
