using System.Reflection;
using System.Runtime.Loader;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// A type by its full name, with the file of its assembly for the case that plain probing finds none (plug-ins, other load contexts).
/// Used only for functions that a parent introduces to its child; values never name a type.
/// </summary>
internal static class TypeReference
{
    public static void Write(PayloadWriter writer, Type type)
    {
        writer.WriteString(type.AssemblyQualifiedName
            ?? throw new UnsendableCallException($"'{type}' has no name that another process could know."));
        writer.WriteString(type.Assembly.Location);
    }

    public static void WriteMany(PayloadWriter writer, Type[] types)
    {
        writer.WriteUnmanaged(types.Length);
        foreach (Type type in types)
            Write(writer, type);
    }

    public static Type Read(ref PayloadReader reader)
    {
        string name = reader.ReadRequiredString();
        string file = reader.ReadRequiredString();
        return Type.GetType(name, assembly => LoadAssembly(assembly, file), typeResolver: null, throwOnError: true)!;
    }

    public static Type[] ReadMany(ref PayloadReader reader)
    {
        Type[] types = new Type[reader.ReadCount(bytesEach: sizeof(int) * 2)];
        for (int i = 0; i < types.Length; i++)
            types[i] = Read(ref reader);
        return types;
    }

    private static Assembly LoadAssembly(AssemblyName name, string file)
    {
        try
        {
            return Assembly.Load(name);
        }
        catch (FileNotFoundException) when (File.Exists(file) && string.Equals(Path.GetFileNameWithoutExtension(file), name.Name, StringComparison.OrdinalIgnoreCase))
        {
            return AssemblyLoadContext.Default.LoadFromAssemblyPath(file);
        }
        catch (FileNotFoundException)
        {
            // The file belongs to the outermost type; a type argument may live beside it.
            string beside = Path.Combine(Path.GetDirectoryName(file) ?? "", name.Name + ".dll");
            if (!File.Exists(beside))
                throw;
            return AssemblyLoadContext.Default.LoadFromAssemblyPath(beside);
        }
    }
}
