using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A manager's dictionary, as its users have it.</summary>
internal sealed class RemoteDictionary<TKey, TValue>(ManagerLink link, string name)
    : RemoteObject(link, name, ObjectKind.Dictionary, ContentName), ISharedDictionary<TKey, TValue>
{
    /// <summary>What both sides call what it holds.</summary>
    public static string ContentName => $"{ItemFormat<TKey>.TypeName} to {ItemFormat<TValue>.TypeName}";

    public long Count => ReadCount(Ask(Operation.Count, traits: RequestTraits.Repeatable));

    public TValue this[TKey key]
    {
        get => Get(key);
        set => Set(key, value);
    }

    public async ValueTask<long> CountAsync(CancellationToken cancellationToken = default) =>
        ReadCount(await AskAsync(Operation.Count, traits: RequestTraits.Repeatable, token: cancellationToken).ConfigureAwait(false));

    public TValue Get(TKey key, CancellationToken cancellationToken = default) => TryGet(key, out TValue? value, cancellationToken) ? value : throw Missing(key);

    public async ValueTask<TValue> GetAsync(TKey key, CancellationToken cancellationToken = default) =>
        await TryGetAsync(key, cancellationToken).ConfigureAwait(false) is (true, var value) ? value! : throw Missing(key);

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value, CancellationToken cancellationToken = default) =>
        Decoded(Found(Ask(Operation.Get, Body(key), traits: RequestTraits.Repeatable, token: cancellationToken)), out value);

    public async ValueTask<(bool IsThere, TValue? Value)> TryGetAsync(TKey key, CancellationToken cancellationToken = default) =>
        Decoded(await FindAsync(key, cancellationToken).ConfigureAwait(false));

    public void Set(TKey key, TValue value, CancellationToken cancellationToken = default) => Ask(Operation.Put, Body(key, value), token: cancellationToken);

    public async ValueTask SetAsync(TKey key, TValue value, CancellationToken cancellationToken = default) =>
        await AskAsync(Operation.Put, Body(key, value), token: cancellationToken).ConfigureAwait(false);

    public bool TryAdd(TKey key, TValue value, CancellationToken cancellationToken = default) => Ask(Operation.Add, Body(key, value), token: cancellationToken).Span[0] == 1;

    public async ValueTask<bool> TryAddAsync(TKey key, TValue value, CancellationToken cancellationToken = default) =>
        (await AskAsync(Operation.Add, Body(key, value), token: cancellationToken).ConfigureAwait(false)).Span[0] == 1;

    public TValue GetOrAdd(TKey key, TValue value, CancellationToken cancellationToken = default) => AddedOrThere(Ask(Operation.Add, Body(key, value), token: cancellationToken), value);

    public async ValueTask<TValue> GetOrAddAsync(TKey key, TValue value, CancellationToken cancellationToken = default) =>
        AddedOrThere(await AskAsync(Operation.Add, Body(key, value), token: cancellationToken).ConfigureAwait(false), value);

    public TValue GetOrAdd(TKey key, Func<TKey, TValue> make, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(make);
        return TryGet(key, out TValue? there, cancellationToken) ? there : GetOrAdd(key, make(key), cancellationToken);
    }

    public async ValueTask<TValue> GetOrAddAsync(TKey key, Func<TKey, TValue> make, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(make);
        (bool isThere, TValue? there) = await TryGetAsync(key, cancellationToken).ConfigureAwait(false);
        return isThere ? there! : await GetOrAddAsync(key, make(key), cancellationToken).ConfigureAwait(false);
    }

    public bool TryReplace(TKey key, TValue value, TValue comparand, CancellationToken cancellationToken = default) =>
        Ask(Operation.ReplaceIf, ReplaceBody(key, value, comparand), token: cancellationToken).Span[0] == 1;

    public async ValueTask<bool> TryReplaceAsync(TKey key, TValue value, TValue comparand, CancellationToken cancellationToken = default) =>
        (await AskAsync(Operation.ReplaceIf, ReplaceBody(key, value, comparand), token: cancellationToken).ConfigureAwait(false)).Span[0] == 1;

    public TValue Update(TKey key, Func<TValue, TValue> change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        ReadOnlyMemory<byte>? there = Found(Ask(Operation.Get, Body(key), traits: RequestTraits.Repeatable, token: cancellationToken));
        while (true)
        {
            if (there is not { } before)
                throw Missing(key);
            TValue changed = change(DecodedBlock(before));
            if (IsReplaced(Ask(Operation.ReplaceIf, ReplaceBody(key, changed, before), token: cancellationToken), out there))
                return changed;
        }
    }

    public async ValueTask<TValue> UpdateAsync(TKey key, Func<TValue, TValue> change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        ReadOnlyMemory<byte>? there = await FindAsync(key, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            if (there is not { } before)
                throw Missing(key);
            TValue changed = change(DecodedBlock(before));
            if (IsReplaced(await AskAsync(Operation.ReplaceIf, ReplaceBody(key, changed, before), token: cancellationToken).ConfigureAwait(false), out there))
                return changed;
        }
    }

    public TValue AddOrUpdate(TKey key, TValue added, Func<TValue, TValue> change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        ReadOnlyMemory<byte>? there = null;
        while (true)
        {
            if (there is not { } before)
            {
                if (IsAdded(Ask(Operation.Add, Body(key, added), token: cancellationToken), out there))
                    return added;
                continue;
            }

            TValue changed = change(DecodedBlock(before));
            if (IsReplaced(Ask(Operation.ReplaceIf, ReplaceBody(key, changed, before), token: cancellationToken), out there))
                return changed;
        }
    }

    public async ValueTask<TValue> AddOrUpdateAsync(TKey key, TValue added, Func<TValue, TValue> change, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        ReadOnlyMemory<byte>? there = null;
        while (true)
        {
            if (there is not { } before)
            {
                if (IsAdded(await AskAsync(Operation.Add, Body(key, added), token: cancellationToken).ConfigureAwait(false), out there))
                    return added;
                continue;
            }

            TValue changed = change(DecodedBlock(before));
            if (IsReplaced(await AskAsync(Operation.ReplaceIf, ReplaceBody(key, changed, before), token: cancellationToken).ConfigureAwait(false), out there))
                return changed;
        }
    }

    public bool Remove(TKey key, CancellationToken cancellationToken = default) => Ask(Operation.Remove, Body(key), token: cancellationToken).Span[0] == 1;

    public async ValueTask<bool> RemoveAsync(TKey key, CancellationToken cancellationToken = default) =>
        (await AskAsync(Operation.Remove, Body(key), token: cancellationToken).ConfigureAwait(false)).Span[0] == 1;

    public bool TryTake(TKey key, [MaybeNullWhen(false)] out TValue value, CancellationToken cancellationToken = default) =>
        Decoded(Found(Ask(Operation.Remove, Body(key), token: cancellationToken)), out value);

    public async ValueTask<(bool IsThere, TValue? Value)> TryTakeAsync(TKey key, CancellationToken cancellationToken = default) =>
        Decoded(Found(await AskAsync(Operation.Remove, Body(key), token: cancellationToken).ConfigureAwait(false)));

    public void Clear(CancellationToken cancellationToken = default) => Ask(Operation.Clear, token: cancellationToken);

    public async ValueTask ClearAsync(CancellationToken cancellationToken = default) => await AskAsync(Operation.Clear, token: cancellationToken).ConfigureAwait(false);

    public IEnumerable<KeyValuePair<TKey, TValue>> GetEntries(CancellationToken cancellationToken = default)
    {
        for (long next = 0; next >= 0;)
        {
            (next, KeyValuePair<TKey, TValue>[] page) = Page(Ask(Operation.Entries, BitConverter.GetBytes(next), traits: RequestTraits.Repeatable, token: cancellationToken));
            foreach (KeyValuePair<TKey, TValue> entry in page)
                yield return entry;
        }
    }

    public async IAsyncEnumerable<KeyValuePair<TKey, TValue>> GetEntriesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        for (long next = 0; next >= 0;)
        {
            (next, KeyValuePair<TKey, TValue>[] page) =
                Page(await AskAsync(Operation.Entries, BitConverter.GetBytes(next), traits: RequestTraits.Repeatable, token: cancellationToken).ConfigureAwait(false));
            foreach (KeyValuePair<TKey, TValue> entry in page)
                yield return entry;
        }
    }

    private static KeyNotFoundException Missing(TKey key) => new($"The key '{key}' is not in the dictionary.");

    private byte[] Body(TKey key)
    {
        using PayloadWriter body = new();
        EncodeKey(body, key);
        return body.WrittenSpan.ToArray();
    }

    private byte[] Body(TKey key, TValue value)
    {
        using PayloadWriter body = new();
        EncodeKey(body, key);
        Encode(body, value, "value");
        return body.WrittenSpan.ToArray();
    }

    private byte[] ReplaceBody(TKey key, TValue value, TValue comparand)
    {
        using PayloadWriter body = new();
        EncodeKey(body, key);
        Encode(body, value, "value");
        Encode(body, comparand, "comparand");
        return body.WrittenSpan.ToArray();
    }

    // As it came: what is written again need not be the same bytes.
    private byte[] ReplaceBody(TKey key, TValue value, ReadOnlyMemory<byte> comparand)
    {
        using PayloadWriter body = new();
        EncodeKey(body, key);
        Encode(body, value, "value");
        HostedObject.WriteBlock(body, comparand.Span);
        return body.WrittenSpan.ToArray();
    }

    private void EncodeKey(PayloadWriter body, TKey key)
    {
        int start = body.Length;
        Encode(body, key, "key");
        if (typeof(TKey) == typeof(object) && PythonEquality.RefusalAsKey(PickleReader.Read(body.WrittenSpan[(start + sizeof(int))..])) is { } refusal)
            throw new UnsendableCallException($"{this}: the key can't be one in Python, whose rules keys of type object follow: {refusal}. Numbers, texts, bytes, times and tuples can.");
    }

    private async Task<ReadOnlyMemory<byte>?> FindAsync(TKey key, CancellationToken token) =>
        Found(await AskAsync(Operation.Get, Body(key), traits: RequestTraits.Repeatable, token: token).ConfigureAwait(false));

    private long ReadCount(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) => reader.ReadUnmanaged<long>());

    // The block behind a byte that says whether there is one.
    private ReadOnlyMemory<byte>? Found(ReadOnlyMemory<byte> answer) =>
        Read<ReadOnlyMemory<byte>?>(answer, static (ref reader) => reader.ReadByte() == 1 ? reader.ReadMemory(reader.ReadCount(1)) : default(ReadOnlyMemory<byte>?));

    private bool IsAdded(ReadOnlyMemory<byte> answer, out ReadOnlyMemory<byte>? there)
    {
        (bool isAdded, there) = Read<(bool, ReadOnlyMemory<byte>?)>(answer, static (ref reader) => reader.ReadByte() == 1 ? (true, null) : (false, reader.ReadMemory(reader.ReadCount(1))));
        return isAdded;
    }

    private bool IsReplaced(ReadOnlyMemory<byte> answer, out ReadOnlyMemory<byte>? there)
    {
        (bool isReplaced, there) = Read<(bool, ReadOnlyMemory<byte>?)>(
            answer, static (ref reader) => reader.ReadByte() == 1 ? (true, null) : (false, reader.ReadByte() == 1 ? reader.ReadMemory(reader.ReadCount(1)) : default(ReadOnlyMemory<byte>?)));
        return isReplaced;
    }

    private TValue AddedOrThere(ReadOnlyMemory<byte> answer, TValue added) => IsAdded(answer, out ReadOnlyMemory<byte>? there) ? added : DecodedBlock(there!.Value);

    private TValue DecodedBlock(ReadOnlyMemory<byte> block) => Read(block, static (ref reader) => ItemFormat<TValue>.Instance.Read(ref reader));

    private (bool IsThere, TValue? Value) Decoded(ReadOnlyMemory<byte>? block) => block is { } there ? (true, DecodedBlock(there)) : (false, default);

    private bool Decoded(ReadOnlyMemory<byte>? block, [MaybeNullWhen(false)] out TValue value)
    {
        value = block is { } there ? DecodedBlock(there) : default;
        return block is not null;
    }

    private (long Next, KeyValuePair<TKey, TValue>[] Entries) Page(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) =>
    {
        long next = reader.ReadUnmanaged<long>();
        KeyValuePair<TKey, TValue>[] page = new KeyValuePair<TKey, TValue>[reader.ReadCount(2 * sizeof(int))];
        for (int i = 0; i < page.Length; i++)
        {
            TKey key = Decode<TKey>(ref reader);
            page[i] = new(key, Decode<TValue>(ref reader));
        }

        return (next, page);
    });
}
