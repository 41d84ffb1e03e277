namespace ManyHands.Managers;

/// <summary>What happens to a kept object. The numbers are in files: they never change.</summary>
internal enum StorageChangeKind
{
    /// <summary>The object is there: <see cref="StorageChange.Number"/> is its <see cref="ObjectKind"/>, <see cref="StorageChange.Text"/> the name of its items' type. Written when it is registered and not known yet; replaces what was known.</summary>
    Declared = 1,

    /// <summary>A queue has the item <see cref="StorageChange.Number"/> more, with <see cref="StorageChange.Value"/>. Items have ascending numbers.</summary>
    ItemAdded = 2,

    /// <summary>A queue's item <see cref="StorageChange.Number"/> is done.</summary>
    ItemRemoved = 3,

    /// <summary>A queue's item <see cref="StorageChange.Number"/> was given to somebody once more.</summary>
    ItemDelivered = 4,

    /// <summary>A queue takes no more items.</summary>
    Completed = 5,

    /// <summary>A dictionary has <see cref="StorageChange.Value"/> under <see cref="StorageChange.Key"/>.</summary>
    EntrySet = 6,

    /// <summary>A dictionary has nothing under <see cref="StorageChange.Key"/>.</summary>
    EntryRemoved = 7,

    /// <summary>A dictionary is empty.</summary>
    Cleared = 8,
}

/// <summary>One change of one object; which fields it has, its kind says.</summary>
internal readonly record struct StorageChange(StorageChangeKind Kind, string Name, long Number = 0, string? Text = null, byte[]? Key = null, byte[]? Value = null);

/// <summary>An object as it was kept.</summary>
internal sealed class StoredObject(string name, ObjectKind kind, string typeName)
{
    public string Name => name;

    public ObjectKind Kind => kind;

    public string TypeName => typeName;

    public bool IsCompleted { get; set; }

    /// <summary>Of a queue, by ascending number: the number, how often it was given to somebody, the item.</summary>
    public List<(long Number, int Deliveries, byte[] Value)> Items { get; } = [];

    /// <summary>Of a dictionary.</summary>
    public List<(byte[] Key, byte[] Value)> Entries { get; } = [];
}
