using System.Diagnostics.CodeAnalysis;

namespace ManyHands;

/// <summary>A dictionary that a manager has (<see cref="ManagerServer.RegisterDictionary"/>), as all its users have it: those in other processes, and the manager's own.</summary>
/// <remarks>
/// <para>Thread-safe, and each call is atomic among all users. Methods without <c>Async</c> hold their thread for the way there and back.</para>
/// <para>
/// Keys are equal if they travel as the same bytes, whatever their type's <c>Equals</c> says: texts by their characters, records by their contents; but <c>1.0m</c> and <c>1.00m</c> are two keys, and so are two sets whose items come in another
/// order. Keys of type <see cref="object"/> are equal as in Python, so that everybody finds what others put in: 1, 1.0 and <see langword="true"/> are one key, and the one that came first stays.
/// </para>
/// <para>
/// All methods that ask the manager throw <see cref="ConnectionLostException"/> if the connection is lost and it isn't known whether it was done, <see cref="TimeoutException"/> if the manager doesn't answer within
/// <see cref="ManagerClientOptions.CallTimeout"/>, <see cref="OperationCanceledException"/> if they were cancelled (it may have been done all the same), <see cref="UnsendableCallException"/> if a key or a value can't travel,
/// <see cref="ManagerException"/> if the manager holds as much as it may, or has stopped, and <see cref="ObjectDisposedException"/>.
/// </para>
/// </remarks>
/// <typeparam name="TKey">What the keys are; the same on all sides.</typeparam>
/// <typeparam name="TValue">What the values are; the same on all sides.</typeparam>
public interface ISharedDictionary<TKey, TValue> : IDisposable
{
    /// <summary>How many entries it has at this moment.</summary>
    long Count { get; }

    /// <summary>The value of a key.</summary>
    /// <exception cref="KeyNotFoundException">The key is not there, and was read.</exception>
    TValue this[TKey key] { get; set; }

    /// <summary>How many entries it has at this moment.</summary>
    ValueTask<long> CountAsync(CancellationToken cancellationToken = default);

    /// <summary>The value of a key.</summary>
    /// <exception cref="KeyNotFoundException">The key is not there.</exception>
    TValue Get(TKey key, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Get"/>
    ValueTask<TValue> GetAsync(TKey key, CancellationToken cancellationToken = default);

    /// <summary>The value of a key, if it is there.</summary>
    bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="TryGet"/>
    ValueTask<(bool IsThere, TValue? Value)> TryGetAsync(TKey key, CancellationToken cancellationToken = default);

    /// <summary>Gives a key this value, whether it was there or not.</summary>
    void Set(TKey key, TValue value, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Set"/>
    ValueTask SetAsync(TKey key, TValue value, CancellationToken cancellationToken = default);

    /// <summary>Adds a key that is not there yet.</summary>
    /// <returns>False if it is there; its value is as it was.</returns>
    bool TryAdd(TKey key, TValue value, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="TryAdd"/>
    ValueTask<bool> TryAddAsync(TKey key, TValue value, CancellationToken cancellationToken = default);

    /// <summary>The value of a key; this one, which is added, if the key is not there.</summary>
    /// <returns>The value that is there now.</returns>
    TValue GetOrAdd(TKey key, TValue value, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="GetOrAdd(TKey, TValue, CancellationToken)"/>
    ValueTask<TValue> GetOrAddAsync(TKey key, TValue value, CancellationToken cancellationToken = default);

    /// <summary>The value of a key; if it is not there, one that is made and added.</summary>
    /// <param name="key">The key.</param>
    /// <param name="make">Makes the value, here. Its result isn't used if somebody else is quicker; nothing is held meanwhile.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>The value that is there now.</returns>
    TValue GetOrAdd(TKey key, Func<TKey, TValue> make, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="GetOrAdd(TKey, Func{TKey, TValue}, CancellationToken)"/>
    ValueTask<TValue> GetOrAddAsync(TKey key, Func<TKey, TValue> make, CancellationToken cancellationToken = default);

    /// <summary>Gives a key this value if it has the other one.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">What it gets.</param>
    /// <param name="comparand">What it must have for that; compared as it travels, byte by byte.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>False if it has another value or is not there.</returns>
    bool TryReplace(TKey key, TValue value, TValue comparand, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="TryReplace"/>
    ValueTask<bool> TryReplaceAsync(TKey key, TValue value, TValue comparand, CancellationToken cancellationToken = default);

    /// <summary>Changes the value of a key, as if nobody else did meanwhile.</summary>
    /// <param name="key">The key.</param>
    /// <param name="change">From the old value to the new, here; called again if somebody else was quicker. Nothing is held meanwhile.</param>
    /// <param name="cancellationToken">Ends the attempts.</param>
    /// <returns>The new value.</returns>
    /// <exception cref="KeyNotFoundException">The key is not there. <see cref="AddOrUpdate"/> adds it.</exception>
    TValue Update(TKey key, Func<TValue, TValue> change, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Update"/>
    ValueTask<TValue> UpdateAsync(TKey key, Func<TValue, TValue> change, CancellationToken cancellationToken = default);

    /// <summary>Adds a key, or changes its value as if nobody else did meanwhile.</summary>
    /// <param name="key">The key.</param>
    /// <param name="added">Its value if it is not there.</param>
    /// <param name="change">From the old value to the new, here; called again if somebody else was quicker. Nothing is held meanwhile.</param>
    /// <param name="cancellationToken">Ends the attempts.</param>
    /// <returns>The value that is there now.</returns>
    TValue AddOrUpdate(TKey key, TValue added, Func<TValue, TValue> change, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="AddOrUpdate"/>
    ValueTask<TValue> AddOrUpdateAsync(TKey key, TValue added, Func<TValue, TValue> change, CancellationToken cancellationToken = default);

    /// <summary>Removes a key.</summary>
    /// <returns>Whether it was there.</returns>
    bool Remove(TKey key, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Remove"/>
    ValueTask<bool> RemoveAsync(TKey key, CancellationToken cancellationToken = default);

    /// <summary>Removes a key and hands out its value, which nobody else gets.</summary>
    /// <returns>Whether it was there.</returns>
    bool TryTake(TKey key, [MaybeNullWhen(false)] out TValue value, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="TryTake"/>
    ValueTask<(bool IsThere, TValue? Value)> TryTakeAsync(TKey key, CancellationToken cancellationToken = default);

    /// <summary>Removes all entries.</summary>
    void Clear(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Clear"/>
    ValueTask ClearAsync(CancellationToken cancellationToken = default);

    /// <summary>All entries, in the order in which their keys have come.</summary>
    /// <remarks>They are got page by page, some hundred KiB at a time. A page is what was there at one moment; what is added, changed or removed between two of them may be there or not, and no key comes twice unless it was removed and added again.</remarks>
    IEnumerable<KeyValuePair<TKey, TValue>> GetEntries(CancellationToken cancellationToken = default);

    /// <inheritdoc cref="GetEntries"/>
    IAsyncEnumerable<KeyValuePair<TKey, TValue>> GetEntriesAsync(CancellationToken cancellationToken = default);
}
