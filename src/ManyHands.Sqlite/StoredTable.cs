using System.Globalization;
using ManyHands.Managers;

namespace ManyHands.Sqlite;

/// <summary>
/// An object of the manager's in the database: its line in <c>objects</c>, and a table of its own for what it holds. So its items are in the order of their numbers, a new one goes to the table's end, and emptying it costs nothing.
/// </summary>
/// <param name="name">Of the object.</param>
/// <param name="kind">A queue or a dictionary.</param>
/// <param name="id">Names the table; never used again.</param>
/// <param name="replaced">What the name was before, or null.</param>
internal sealed class StoredTable(string name, ObjectKind kind, long id, StoredTable? replaced) : IDisposable
{
    private readonly string table = string.Create(CultureInfo.InvariantCulture, $"{(kind == ObjectKind.Queue ? "items" : "entries")}_{id}");
    private readonly Dictionary<StorageChangeKind, Statement> statements = [];
    private StoredTable? replaced = replaced;

    public ObjectKind Kind => kind;

    public required string TypeName { get; set; }

    /// <summary>Whether the database has it, also when the transaction that is under way fails.</summary>
    public bool IsKept { get; set; }

    /// <summary>Whether the transaction that is under way has made it.</summary>
    public bool IsNew { get; private set; }

    /// <summary>Reads what the object holds.</summary>
    public void Load(Database database, StoredObject stored)
    {
        if (kind == ObjectKind.Queue)
        {
            using Statement items = new(database, $"SELECT number, deliveries, value FROM {table} ORDER BY number");
            while (items.Read())
                stored.Items.Add((items.Integer(0), (int)items.Integer(1), items.Bytes(2)));
            return;
        }

        using Statement entries = new(database, $"SELECT key, value FROM {table} ORDER BY rowid");
        while (entries.Read())
            stored.Entries.Add((entries.Bytes(0), entries.Bytes(1)));
    }

    public void Apply(Database database, in StorageChange change)
    {
        if (!IsKept && !IsNew)
            Make(database);
        switch (change.Kind)
        {
            case StorageChangeKind.Declared:
                Prepared(database, change.Kind, "UPDATE objects SET type = ?1 WHERE id = ?2").Bind(1, change.Text ?? "").Bind(2, id).Run();
                break;
            case StorageChangeKind.ItemAdded:
                Prepared(database, change.Kind, $"INSERT OR REPLACE INTO {table} (number, deliveries, value) VALUES (?1, 0, ?2)").Bind(1, change.Number).Bind(2, change.Value).Run();
                break;
            case StorageChangeKind.ItemRemoved:
                Prepared(database, change.Kind, $"DELETE FROM {table} WHERE number = ?1").Bind(1, change.Number).Run();
                break;
            case StorageChangeKind.ItemDelivered:
                Prepared(database, change.Kind, $"UPDATE {table} SET deliveries = deliveries + 1 WHERE number = ?1").Bind(1, change.Number).Run();
                break;
            case StorageChangeKind.Completed:
                Prepared(database, change.Kind, "UPDATE objects SET completed = 1 WHERE id = ?1").Bind(1, id).Run();
                break;
            case StorageChangeKind.EntrySet:
                Prepared(database, change.Kind, $"INSERT INTO {table} (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                    .Bind(1, change.Key).Bind(2, change.Value).Run();
                break;
            case StorageChangeKind.EntryRemoved:
                Prepared(database, change.Kind, $"DELETE FROM {table} WHERE key = ?1").Bind(1, change.Key).Run();
                break;
            case StorageChangeKind.Cleared:
                Prepared(database, change.Kind, $"DELETE FROM {table}").Run();
                break;
        }
    }

    /// <summary>The transaction that made it has ended.</summary>
    public void EndNew(bool isCommitted)
    {
        IsNew = false;
        IsKept |= isCommitted;
        if (isCommitted)
            replaced = null;
    }

    public void Dispose()
    {
        foreach (Statement statement in statements.Values)
            statement.Dispose();
        statements.Clear();
        replaced?.Dispose();
    }

    /// <summary>Whether an object of that kind has such changes.</summary>
    public static bool Takes(ObjectKind kind, StorageChangeKind change) => change switch
    {
        StorageChangeKind.Declared => kind is ObjectKind.Queue or ObjectKind.Dictionary,
        StorageChangeKind.ItemAdded or StorageChangeKind.ItemRemoved or StorageChangeKind.ItemDelivered or StorageChangeKind.Completed => kind == ObjectKind.Queue,
        StorageChangeKind.EntrySet or StorageChangeKind.EntryRemoved or StorageChangeKind.Cleared => kind == ObjectKind.Dictionary,
        _ => false,
    };

    private void Make(Database database)
    {
        for (StoredTable? old = replaced; old is not null; old = old.replaced)
            old.Remove(database);
        using (Statement line = new(database, "INSERT INTO objects (id, name, kind, type) VALUES (?1, ?2, ?3, ?4)"))
            line.Bind(1, id).Bind(2, name).Bind(3, (long)kind).Bind(4, TypeName).Run();

        // What is large is not in the index beside it, so looking for a number or a key doesn't read it.
        database.Execute(kind == ObjectKind.Queue
            ? $"CREATE TABLE {table} (number INTEGER PRIMARY KEY, deliveries INTEGER NOT NULL, value BLOB NOT NULL)"
            : $"CREATE TABLE {table} (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL)");
        IsNew = true;
    }

    private void Remove(Database database)
    {
        foreach (Statement statement in statements.Values)
            statement.Dispose();
        statements.Clear();
        if (!IsKept)
            return;
        using (Statement line = new(database, "DELETE FROM objects WHERE id = ?1"))
            line.Bind(1, id).Run();
        database.Execute($"DROP TABLE {table}");
    }

    private Statement Prepared(Database database, StorageChangeKind change, string text)
    {
        if (!statements.TryGetValue(change, out Statement? statement))
            statements[change] = statement = new(database, text);
        return statement;
    }
}
