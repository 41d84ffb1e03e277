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
    /// <summary>Read as bytes: code over a struct of the runtime's own isn't compiled ahead of time.</summary>
    public const int GuidSize = 16;

    private const string CoreLibrary = "System.Private.CoreLib";

    private enum Form : byte
    {
        /// <summary>By its assembly-qualified name: arrays, pointers and whatever else is built from types.</summary>
        Name,

        /// <summary>By assembly and metadata token, the quick way: finding a type by name costs a child milliseconds of compiling the parser of names.</summary>
        Definition,

        /// <summary>A generic type's definition, then its arguments.</summary>
        Constructed,
    }

    public static void Write(PayloadWriter writer, Type type)
    {
        string name = type.AssemblyQualifiedName
            ?? throw new UnsendableCallException($"'{type}' has no name that another process could know.");
        if (type.IsConstructedGenericType)
        {
            writer.WriteByte((byte)Form.Constructed);
            Write(writer, type.GetGenericTypeDefinition());
            WriteMany(writer, type.GetGenericArguments());
            return;
        }

        bool isDefinition = type.IsTypeDefinition;
        writer.WriteByte((byte)(isDefinition ? Form.Definition : Form.Name));
        writer.WriteString(type.Assembly.Location);
        if (!isDefinition)
        {
            writer.WriteString(name);
            return;
        }

        writer.WriteString(type.Assembly.GetName().Name);
        writer.WriteUnmanaged(type.Module.ModuleVersionId);
        writer.WriteUnmanaged(type.MetadataToken);
        writer.WriteString(type.FullName);
    }

    public static void WriteMany(PayloadWriter writer, Type[] types)
    {
        writer.WriteUnmanaged(types.Length);
        foreach (Type type in types)
            Write(writer, type);
    }

    public static Type Read(ref PayloadReader reader)
    {
        Form form = (Form)reader.ReadByte();
        if (form == Form.Constructed)
        {
            Type definition = Read(ref reader);
            return definition.MakeGenericType(ReadMany(ref reader));
        }

        string file = reader.ReadRequiredString();
        string name = reader.ReadRequiredString();
        if (form == Form.Name)
            return Type.GetType(name, assembly => LoadAssembly(assembly, file), typeResolver: null, throwOnError: true)!;

        Guid build = new(reader.ReadBytes(GuidSize));
        int token = reader.ReadUnmanaged<int>();
        string fullName = reader.ReadRequiredString();
        Assembly assembly = name == CoreLibrary ? typeof(object).Assembly : LoadAssembly(new AssemblyName { Name = name }, file);

        // In another build the token may be another type's; whether it will do is the caller's to decide.
        return assembly.ManifestModule.ModuleVersionId == build
            ? assembly.ManifestModule.ResolveType(token)
            : assembly.GetType(fullName, throwOnError: true)!;
    }

    public static Type[] ReadMany(ref PayloadReader reader)
    {
        Type[] types = new Type[reader.ReadCount(bytesEach: sizeof(byte) + sizeof(int) * 2)];
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
